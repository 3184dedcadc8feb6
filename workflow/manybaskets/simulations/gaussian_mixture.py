"""Theory of verified synthetic data: a linear classifier of a Gaussian mixture, a noisy verifier.

Inputs are x = mu y e + sigma g in d dimensions, with labels y of -1 and 1 equally often. A
generator labels x and is wrong with probability p; a verifier keeps a correct label with
probability phi and a wrong label with probability psi; a linear classifier is trained on the rows
that are kept. Definitions and the breakdown point follow Feng et al. 2024 (arXiv 2406.07515), the
closed form at finite d / N follows Firdoussi et al. 2024 (arXiv 2410.08942). Accuracies are those
of the sign of w.x on clean data, exact given w.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, ndtr

from manybaskets.selection.verifier_quality import breakdown_point

Values = NDArray[np.float64]
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Mixture:
    """Dimension d, distance of the class means from 0, and standard deviation in each direction."""

    dimension: int
    mean: float = 1.0
    deviation: float = 1.0


@dataclass(frozen=True)
class Keep:
    """Probabilities of keeping a correct label (phi) and a wrong label (psi)."""

    phi: float
    psi: float

    @property
    def p_star(self) -> float:
        """The error rate above which the classifier learns the opposite of the truth."""
        return breakdown_point(self.phi, self.psi)


def limit_accuracy(p: ArrayLike, keep: Keep, mixture: Mixture) -> Values:
    """Returns the accuracy with infinite data at error rates p, in the shape of p.

    It is that of the best linear classifier below p*, 1 minus it above, and one half at p*.
    """
    best = ndtr(mixture.mean / mixture.deviation)
    side = np.sign(keep.p_star - np.asarray(p, dtype=float))
    return np.asarray(0.5 + side * (best - 0.5))


def ridge_accuracy(
    p: ArrayLike, keep: Keep, dimension: int, rows: int, mean: float = 1.0, penalty: float = 1.0
) -> Values:
    """Returns the accuracy of ridge regression on labels as d and N grow in proportion.

    The standard deviation is 1. w minimizes the sum of squares over the kept rows, divided by the
    number N of all rows drawn, plus penalty times the squared norm. The formula follows Firdoussi
    et al., in leave-one-out form: the squared norm of w across the axis is (1 - h) / h times the
    mean squared residual of kept rows along the axis. In the authors' code, eta is multiplied by
    the kept share; `trace` has eta. Both agree without selection; with selection, they differ by
    up to .007 at d = N, and simulations support the form used here. The result has the shape of p.
    """
    p = np.asarray(p, dtype=float)
    eta = dimension / rows
    kept = keep.phi * (1 - p) + keep.psi * p
    signed = keep.phi * (1 - p) - keep.psi * p
    part = kept + penalty - eta
    # trace of the resolvent over N: the weight of a kept row in its own prediction
    trace = (-part + np.sqrt(part**2 + 4 * eta * penalty)) / (2 * penalty)
    shrunk = kept + penalty * (1 + trace)
    along = signed * mean / (kept * mean**2 + shrunk)  # component of w along the axis
    h = 1 - kept * eta / shrunk**2
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = 1 - 2 * along * mean * signed / kept + along**2 * (1 + mean**2)
        norm = np.sqrt(along**2 + (1 - h) / h * residual)
        return np.where(kept > 0, ndtr(mean * along / norm), 0.5)  # w = 0 if no row is kept


def linear_verifier(generator: float, verifier: float, between: float) -> tuple[float, Keep]:
    """Returns p, phi and psi of a linear generator and a linear verifier on isotropic inputs.

    `generator` and `verifier` are their angles with the truth and `between` is the angle between
    them, in radians. The verifier keeps the labels that it would assign itself. Raises ValueError
    for angles that no three directions have, and for a generator that is always right or always
    wrong.
    """
    if not 0 < generator < math.pi:
        raise ValueError(f"the generator's angle is {generator:.3g}; it must be between 0 and pi")
    low, high = (
        abs(generator - verifier),
        min(generator + verifier, math.tau - generator - verifier),
    )
    if not low - 1e-12 <= between <= high + 1e-12:
        raise ValueError(
            f"the angle between generator and verifier is {between:.3g}; with angles of "
            f"{generator:.3g} and {verifier:.3g} to the truth, it must be between {low:.3g} and "
            f"{high:.3g}"
        )
    p = generator / math.pi
    both_right = 1 - (generator + verifier + between) / math.tau
    both_wrong = (generator + verifier - between) / math.tau
    return p, Keep(max(both_right, 0.0) / (1 - p), max(both_wrong, 0.0) / p)


def orthogonal(first: float, second: float) -> float:
    """Returns the angle between two directions with orthogonal offsets from a third direction.

    Random offsets are orthogonal in high dimensions. `first` and `second` are the angles with the
    third direction, in radians.
    """
    return math.acos(math.cos(first) * math.cos(second))


def simulate_ridge(
    mixture: Mixture,
    sizes: Sequence[int],
    noise: Sequence[float],
    keeps: Sequence[Keep],
    repetitions: int,
    seed: int,
    penalty: float = 1.0,
) -> Values:
    """Returns accuracies of ridge regression, shape (repetitions, keeps, sizes, noise levels).

    In a repetition all settings have common random numbers: the same inputs and draws, and a
    smaller data set is the beginning of a larger one. Rows that all settings treat alike share one
    Gram matrix, so that all noise levels together take little more time than one. Raises
    ValueError unless `sizes` and `noise` are in ascending order.
    """
    settings = _Settings(mixture, sizes, noise, keeps, penalty)
    return np.stack([_ridge_once(settings, seed, number) for number in range(repetitions)])


@dataclass(frozen=True)
class _Settings:
    mixture: Mixture
    sizes: Sequence[int]
    noise: Sequence[float]
    keeps: Sequence[Keep]
    penalty: float


def _ridge_once(settings: _Settings, seed: int, number: int) -> Values:
    mixture, levels = settings.mixture, np.sort(np.asarray(settings.noise, dtype=float))
    if list(levels) != list(settings.noise) or list(settings.sizes) != sorted(settings.sizes):
        raise ValueError("noise levels and sizes must be in ascending order")
    cuts = np.unique([q for keep in settings.keeps for q in (keep.phi, keep.psi)])
    rng = np.random.default_rng([seed, number])
    d, shape = mixture.dimension, (len(levels) + 1, len(cuts))
    grams, sums = np.zeros((*shape, d, d)), np.zeros((*shape, d))
    accuracies = np.empty((len(settings.keeps), len(settings.sizes), len(levels)))
    previous = 0
    for j, size in enumerate(settings.sizes):
        _add_rows(grams, sums, size - previous, levels, cuts, mixture, rng)
        previous = size
        for i, keep in enumerate(settings.keeps):
            accuracies[i, j] = _ridge_levels(grams, sums, keep, cuts, size, settings)
    return accuracies


def _add_rows(
    grams: Values,
    sums: Values,
    count: int,
    levels: Values,
    cuts: Values,
    mixture: Mixture,
    rng: np.random.Generator,
) -> None:
    """Adds `count` rows to the Gram matrices and sums of y x, each row in its bin.

    A row has two uniform draws. Its label is wrong at all noise levels above the first (a bin's
    row) and is kept with all probabilities above the second (a bin's column). The inputs of a bin
    are drawn together, and inputs that are never kept are not drawn.
    """
    wrong_from = np.searchsorted(levels, rng.random(count), side="right")
    kept_from = np.searchsorted(cuts, rng.random(count), side="right")
    is_kept = kept_from < len(cuts)
    bins = wrong_from[is_kept] * len(cuts) + kept_from[is_kept]
    counts = np.bincount(bins, minlength=grams.shape[0] * grams.shape[1])
    for number, rows in enumerate(counts):
        row, column = divmod(number, len(cuts))
        for start in range(0, rows, ROWS_AT_ONCE):
            # y x, which has the distribution of x given y = 1
            x = rng.standard_normal((min(ROWS_AT_ONCE, rows - start), mixture.dimension))
            x *= mixture.deviation
            x[:, 0] += mixture.mean
            grams[row, column] += x.T @ x
            sums[row, column] += x.sum(axis=0)


def _ridge_levels(
    grams: Values, sums: Values, keep: Keep, cuts: Values, size: int, settings: _Settings
) -> Values:
    """Returns the accuracy at every noise level, shape (levels,)."""
    phi, psi = (int(np.searchsorted(cuts, q)) + 1 for q in (keep.phi, keep.psi))
    correct = grams[:, :phi].sum(axis=1), sums[:, :phi].sum(axis=1)
    wrong = grams[:, :psi].sum(axis=1), sums[:, :psi].sum(axis=1)
    levels = grams.shape[0] - 1
    accuracies = np.empty(levels)
    ridge = settings.penalty * np.eye(settings.mixture.dimension)
    gram, total = correct[0].sum(axis=0), correct[1].sum(axis=0)
    for level in range(levels):  # labels in row `level` of the bins are wrong from here on
        gram = gram - correct[0][level] + wrong[0][level]
        total = total - correct[1][level] - wrong[1][level]
        accuracies[level] = accuracy(
            np.linalg.solve(gram / size + ridge, total / size), settings.mixture
        )
    return accuracies


def accuracy(w: Values, mixture: Mixture) -> float:
    """Returns the share of clean data that w, shape (d,), classifies correctly.

    The true direction is the first axis.
    """
    norm = float(np.linalg.norm(w))
    if norm == 0:
        return 0.5
    return float(ndtr(mixture.mean * w[0] / (mixture.deviation * norm)))


@dataclass(frozen=True)
class Condition:
    """A way to verify a linear generator's labels.

    `verifier` is the angle of a linear verifier with the truth. It is None for the rules
    `none` (keep all rows), `oracle` (keep rows with the true class as label) and `clean` (train on
    true classes).
    """

    name: str
    verifier: float | None = None
    rule: str = "linear"


def simulate_logistic(
    mixture: Mixture,
    sizes: Sequence[int],
    generator: float,
    conditions: Sequence[Condition],
    repetitions: int,
    seed: int,
    penalty: float = 1.0,
) -> Values:
    """Returns accuracies of logistic regression on a linear generator's labels.

    Their shape is (repetitions, conditions, sizes). The regression minimizes the summed loss of the
    kept rows plus penalty / 2 times the squared norm. Generator and verifier are rotated from the
    truth by their angles in orthogonal directions. Random numbers are shared as in
    `simulate_ridge`.
    """
    accuracies = np.empty((repetitions, len(conditions), len(sizes)))
    for number in range(repetitions):
        rng = np.random.default_rng([seed, number])
        y = rng.choice([-1.0, 1.0], size=max(sizes))
        x = rng.standard_normal((max(sizes), mixture.dimension), dtype=np.float32)
        x *= mixture.deviation
        x[:, 0] += mixture.mean * y
        generated = np.where(_projection(x, generator, 1) > 0, 1.0, -1.0)
        for i, condition in enumerate(conditions):
            labels = y if condition.rule == "clean" else generated
            is_kept = np.ones(len(y), dtype=bool)
            if condition.verifier is not None:
                is_kept = _projection(x, condition.verifier, 2) * generated > 0
            elif condition.rule == "oracle":
                is_kept = generated == y
            w = np.zeros(mixture.dimension)
            for j, size in enumerate(sizes):
                rows = np.flatnonzero(is_kept[:size])
                w = fit_logistic(x[rows], labels[rows], penalty, w)
                accuracies[number, i, j] = accuracy(w, mixture)
    return accuracies


def simulate_noisy_logistic(
    mixture: Mixture,
    sizes: Sequence[int],
    noise: Sequence[float],
    keeps: Sequence[Keep],
    repetitions: int,
    seed: int,
    penalty: float = 1.0,
) -> Values:
    """Returns accuracies in the shape of `simulate_ridge`, with the loss of `simulate_logistic`."""
    accuracies = np.empty((repetitions, len(keeps), len(sizes), len(noise)))
    for number in range(repetitions):
        rng = np.random.default_rng([seed, number])
        flips, draws = rng.random(max(sizes)), rng.random(max(sizes))
        x = rng.standard_normal((max(sizes), mixture.dimension), dtype=np.float32)
        x *= mixture.deviation
        x[:, 0] += mixture.mean  # y x
        for i, keep in enumerate(keeps):
            for j, size in enumerate(sizes):
                w = np.zeros(mixture.dimension)
                for k, p in enumerate(noise):
                    labels = np.where(flips[:size] < p, -1.0, 1.0)
                    is_kept = draws[:size] < np.where(labels > 0, keep.phi, keep.psi)
                    w = fit_logistic(x[:size][is_kept], labels[is_kept], penalty, w)
                    accuracies[number, i, j, k] = accuracy(w, mixture)
    return accuracies


def fit_logistic(x: NDArray[np.float32], labels: Values, penalty: float, start: Values) -> Values:
    """Returns w, shape (d,), of logistic regression without an intercept on x, shape (rows, d).

    `start`, shape (d,), is where the optimisation starts.
    """
    signed = x * labels[:, None].astype(np.float32)

    def loss(w: Values) -> tuple[float, Values]:
        margins = (signed @ w.astype(np.float32)).astype(float)
        value = np.logaddexp(0, -margins).sum() + penalty / 2 * w @ w
        gradient = penalty * w - (expit(-margins).astype(np.float32) @ signed)
        return float(value), gradient.astype(float)

    fitted = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-9}
    )
    return np.asarray(fitted.x)


def _projection(x: NDArray[np.float32], angle: float, axis: int) -> NDArray[np.float32]:
    """Returns x projected on the first axis, rotated by `angle` towards another axis."""
    return x[:, 0] * np.float32(math.cos(angle)) + x[:, axis] * np.float32(math.sin(angle))


def coverage(
    accuracies: Values, closed_form: Values, quantile: Callable[[int], float]
) -> tuple[int, int]:
    """Returns the number of grid points with the closed form inside the simulated band, and of all.

    `accuracies` has the shape (repetitions, …), `closed_form` the same without repetitions. The
    band is the mean ± `quantile(repetitions - 1)` standard errors.
    """
    count = len(accuracies)
    error = accuracies.std(axis=0, ddof=1) / math.sqrt(count)
    inside = np.abs(accuracies.mean(axis=0) - closed_form) <= quantile(count - 1) * error
    return int(inside.sum()), int(inside.size)
