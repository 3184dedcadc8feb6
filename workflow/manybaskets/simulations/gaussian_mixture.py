"""Verified synthetic data in theory: a Gaussian mixture, a linear classifier, a noisy verifier.

x = mu y e + sigma g in d dimensions, labels y of -1 and 1 equally often. A generator labels it, and
is wrong with probability p; a verifier keeps a right label with probability phi and a wrong one
with probability psi; a linear classifier is trained on what was kept. Definitions and the breakdown
point follow Feng et al. 2024 (arXiv 2406.07515), the closed form at finite d / N Firdoussi et al.
2024 (arXiv 2410.08942). Accuracies are of the sign of w.x on clean data, exact given w.
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
    """Dimension d, and mean and deviation of the classes along and across their axis."""

    dimension: int
    mean: float = 1.0
    deviation: float = 1.0


@dataclass(frozen=True)
class Keep:
    """Probabilities of keeping a right label (phi) and a wrong one (psi)."""

    phi: float
    psi: float

    @property
    def p_star(self) -> float:
        """The error rate from which on the classifier learns the opposite of the truth."""
        return breakdown_point(self.phi, self.psi)


def limit_accuracy(p: ArrayLike, keep: Keep, mixture: Mixture) -> Values:
    """Accuracy with infinite data at error rates p: the best linear one below p*, flipped above.

    At p* itself the classifier knows nothing: one half.
    """
    best = ndtr(mixture.mean / mixture.deviation)
    side = np.sign(keep.p_star - np.asarray(p, dtype=float))
    return np.asarray(0.5 + side * (best - 0.5))


def ridge_accuracy(
    p: ArrayLike, keep: Keep, dimension: int, rows: int, mean: float = 1.0, penalty: float = 1.0
) -> Values:
    """Accuracy of ridge regression on labels as d and N grow together, for deviation 1.

    w minimizes the sum of squares over the kept rows, divided by all N rows drawn, plus penalty
    times the squared norm. After Firdoussi et al., in the form that follows from leaving one row
    out: of the norm of w, the part across the axis is (1 - h) / h times the mean squared residual
    of kept rows along the axis. Their code has eta times the kept share where `trace` has eta
    here; that is the same without selection and off by up to .007 at d = N with it, which
    simulations tell apart.
    """
    p = np.asarray(p, dtype=float)
    eta = dimension / rows
    kept = keep.phi * (1 - p) + keep.psi * p
    signed = keep.phi * (1 - p) - keep.psi * p
    part = kept + penalty - eta
    # of the resolvent, over N: what a kept row adds to its own prediction
    trace = (-part + np.sqrt(part**2 + 4 * eta * penalty)) / (2 * penalty)
    shrunk = kept + penalty * (1 + trace)
    along = signed * mean / (kept * mean**2 + shrunk)  # w along the axis
    h = 1 - kept * eta / shrunk**2
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = 1 - 2 * along * mean * signed / kept + along**2 * (1 + mean**2)
        norm = np.sqrt(along**2 + (1 - h) / h * residual)
        return np.where(kept > 0, ndtr(mean * along / norm), 0.5)  # nothing kept, nothing known


def linear_verifier(generator: float, verifier: float, between: float) -> tuple[float, Keep]:
    """p, phi and psi of a linear generator and a linear verifier on isotropic inputs.

    Angles in radians: of the truth with the generator, with the verifier, and of these two. The
    verifier keeps what it would label alike. ValueError for angles that no three directions have,
    and for a generator that is always right or always wrong.
    """
    if not 0 < generator < math.pi:
        raise ValueError(f"the generator's angle is {generator:.3g}; it must be within 0 and pi")
    low, high = (
        abs(generator - verifier),
        min(generator + verifier, math.tau - generator - verifier),
    )
    if not low - 1e-12 <= between <= high + 1e-12:
        raise ValueError(
            f"directions at {generator:.3g} and {verifier:.3g} from a third are between {low:.3g} "
            f"and {high:.3g} apart, not {between:.3g}"
        )
    p = generator / math.pi
    both_right = 1 - (generator + verifier + between) / math.tau
    both_wrong = (generator + verifier - between) / math.tau
    return p, Keep(max(both_right, 0.0) / (1 - p), max(both_wrong, 0.0) / p)


def orthogonal(one: float, other: float) -> float:
    """The angle of two directions whose offsets from a third are orthogonal, as random ones are
    in many dimensions; `one` and `other` are their angles with the third."""
    return math.acos(math.cos(one) * math.cos(other))


def simulate_ridge(
    mixture: Mixture,
    sizes: Sequence[int],
    noise: Sequence[float],
    keeps: Sequence[Keep],
    repetitions: int,
    seed: int,
    penalty: float = 1.0,
) -> Values:
    """Accuracies of ridge regression, shape (repetitions, keeps, sizes, noise levels).

    Common random numbers: in a repetition all settings see the same inputs and the same draws, a
    smaller data set being the beginning of a larger one. Rows that no setting tells apart enter
    one Gram matrix, so that all noise levels together cost little more than one.
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
    found = np.empty((len(settings.keeps), len(settings.sizes), len(levels)))
    there = 0
    for place, size in enumerate(settings.sizes):
        _add_rows(grams, sums, size - there, levels, cuts, mixture, rng)
        there = size
        for which, keep in enumerate(settings.keeps):
            found[which, place] = _ridge_levels(grams, sums, keep, cuts, size, settings)
    return found


def _add_rows(
    grams: Values,
    sums: Values,
    count: int,
    levels: Values,
    cuts: Values,
    mixture: Mixture,
    rng: np.random.Generator,
) -> None:
    """Adds `count` rows to the Gram matrices and sums of y x, by the cell each row falls into.

    A row's label is wrong from the first level on that exceeds its first draw (a cell's row), and
    is kept by probabilities that exceed its second (a cell's column). Rows are alike but for their
    cell: the inputs of a cell are drawn together, and those never kept are not drawn.
    """
    wrong_from = np.searchsorted(levels, rng.random(count), side="right")
    kept_from = np.searchsorted(cuts, rng.random(count), side="right")
    is_kept = kept_from < len(cuts)
    cells = wrong_from[is_kept] * len(cuts) + kept_from[is_kept]
    counts = np.bincount(cells, minlength=grams.shape[0] * grams.shape[1])
    for cell, rows in enumerate(counts):
        row, column = divmod(cell, len(cuts))
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
    """Accuracy at every noise level, shape (levels,)."""
    phi, psi = (int(np.searchsorted(cuts, q)) + 1 for q in (keep.phi, keep.psi))
    of_right = grams[:, :phi].sum(axis=1), sums[:, :phi].sum(axis=1)
    of_wrong = grams[:, :psi].sum(axis=1), sums[:, :psi].sum(axis=1)
    levels = grams.shape[0] - 1
    found = np.empty(levels)
    ridge = settings.penalty * np.eye(settings.mixture.dimension)
    gram, total = of_right[0].sum(axis=0), of_right[1].sum(axis=0)
    for level in range(levels):  # the rows of cell row `level` turn wrong here
        gram = gram - of_right[0][level] + of_wrong[0][level]
        total = total - of_right[1][level] - of_wrong[1][level]
        found[level] = accuracy(
            np.linalg.solve(gram / size + ridge, total / size), settings.mixture
        )
    return found


def accuracy(w: Values, mixture: Mixture) -> float:
    """Share of clean data on the right side of w, shape (d,); the truth is the first axis."""
    norm = float(np.linalg.norm(w))
    if norm == 0:
        return 0.5
    return float(ndtr(mixture.mean * w[0] / (mixture.deviation * norm)))


@dataclass(frozen=True)
class Condition:
    """How a linear generator's labels are verified.

    `verifier` is the angle of a linear verifier with the truth; None with `rule` none (keep all),
    oracle (keep where the label is the true class) or clean (train on the true classes).
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
    """Accuracies of logistic regression on a linear generator's labels.

    Shape (repetitions, conditions, sizes). The summed loss of the kept rows plus penalty / 2 times
    the squared norm. Generator and verifier are turned from the truth by their angles in orthogonal
    directions. Common random numbers as in `simulate_ridge`.
    """
    found = np.empty((repetitions, len(conditions), len(sizes)))
    for number in range(repetitions):
        rng = np.random.default_rng([seed, number])
        y = rng.choice([-1.0, 1.0], size=max(sizes))
        x = rng.standard_normal((max(sizes), mixture.dimension), dtype=np.float32)
        x *= mixture.deviation
        x[:, 0] += mixture.mean * y
        says = np.where(_side(x, generator, 1) > 0, 1.0, -1.0)
        for which, condition in enumerate(conditions):
            labels = y if condition.rule == "clean" else says
            kept = np.ones(len(y), dtype=bool)
            if condition.verifier is not None:
                kept = _side(x, condition.verifier, 2) * says > 0
            elif condition.rule == "oracle":
                kept = says == y
            w = np.zeros(mixture.dimension)
            for place, size in enumerate(sizes):
                rows = np.flatnonzero(kept[:size])
                w = fit_logistic(x[rows], labels[rows], penalty, w)
                found[number, which, place] = accuracy(w, mixture)
    return found


def simulate_noisy_logistic(
    mixture: Mixture,
    sizes: Sequence[int],
    noise: Sequence[float],
    keeps: Sequence[Keep],
    repetitions: int,
    seed: int,
    penalty: float = 1.0,
) -> Values:
    """As `simulate_ridge`, with the loss of `simulate_logistic`."""
    found = np.empty((repetitions, len(keeps), len(sizes), len(noise)))
    for number in range(repetitions):
        rng = np.random.default_rng([seed, number])
        flips, draws = rng.random(max(sizes)), rng.random(max(sizes))
        x = rng.standard_normal((max(sizes), mixture.dimension), dtype=np.float32)
        x *= mixture.deviation
        x[:, 0] += mixture.mean  # y x
        for which, keep in enumerate(keeps):
            for place, size in enumerate(sizes):
                w = np.zeros(mixture.dimension)
                for level, p in enumerate(noise):
                    labels = np.where(flips[:size] < p, -1.0, 1.0)
                    kept = draws[:size] < np.where(labels > 0, keep.phi, keep.psi)
                    w = fit_logistic(x[:size][kept], labels[kept], penalty, w)
                    found[number, which, place, level] = accuracy(w, mixture)
    return found


def fit_logistic(x: NDArray[np.float32], labels: Values, penalty: float, start: Values) -> Values:
    """w, shape (d,), of logistic regression without an intercept; x of shape (rows, d)."""
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


def _side(x: NDArray[np.float32], angle: float, axis: int) -> NDArray[np.float32]:
    """x along a direction at `angle` from the first axis, turned towards another axis."""
    return x[:, 0] * np.float32(math.cos(angle)) + x[:, axis] * np.float32(math.sin(angle))


def coverage(
    accuracies: Values, closed_form: Values, quantile: Callable[[int], float]
) -> tuple[int, int]:
    """Grid points at which a closed form lies in the simulation's band, and all grid points.

    `accuracies` has shape (repetitions, …), `closed_form` the rest; the band is the mean and
    `quantile(repetitions - 1)` standard errors.
    """
    count = len(accuracies)
    error = accuracies.std(axis=0, ddof=1) / math.sqrt(count)
    inside = np.abs(accuracies.mean(axis=0) - closed_form) <= quantile(count - 1) * error
    return int(inside.sum()), int(inside.size)
