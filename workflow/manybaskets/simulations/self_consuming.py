"""Self-consuming loops with closed forms: a Gaussian that is fitted, sampled and fitted again, and
a linear regression that is trained on labels of its predecessor.

Generation 1 is fitted on n real draws. The regimes say what a later one is fitted on, given the n
draws S that each generation makes: `replace` the last S; `accumulate` the real draws and every S;
`subsample` n of those, without replacement; `fixed` the real draws and the last S; `fresh` n new
real draws and the last S (Alemohammad et al. 2023, arXiv 2307.01850; Gerstgrasser et al. 2024,
2404.01413; Kazdan et al. 2024, 2410.16713). Covariances are divided by the number of draws.
"""

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
REGIMES = ("replace", "accumulate", "subsample", "fixed", "fresh")


def expected_variance(regime: str, draws: int, generations: int, spread: float = 1.0) -> Values:
    """Expected variance of the model of each generation, the real one being 1; shape (generations,)

    `draws` is n. `spread` scales the variance at which a model is sampled: below 1 is sampling with
    a bias towards the mode, as a low temperature does. The same for every dimension. Derived from
    the law of total variance; exact for every n >= 2.
    """
    n, v = draws, 1 - 1 / draws
    found = [v]
    pool, size = v, n  # variance and number of what accumulates
    drift = (
        1 / n
    )  # expected squared distance of the mean: from 0, or with `fixed` from the real one
    if regime == "fixed":
        drift = 0.0
    for _ in range(generations - 1):
        noise = spread * v / n  # of the mean of n synthetic draws
        if regime == "replace":
            v = (n - 1) / n * spread * v
        elif regime == "accumulate":
            between = size * n / (size + n) * noise
            v = (size * v + (n - 1) * spread * v + between) / (size + n)
            size += n
        elif regime == "subsample":
            unbiased = pool * size / (size - 1)
            off_centre = unbiased / n * (1 - n / size)  # of a subsample's mean from the pool's
            between = size * n / (size + n) * (off_centre + noise)
            pool = (size * pool + (n - 1) * spread * v + between) / (size + n)
            size += n
            v = (n - 1) / n * pool * size / (size - 1)
        else:  # n real and n synthetic draws
            apart = drift + noise + (1 / n if regime == "fresh" else 0.0)
            drift = apart / 4
            v = ((n - 1) * (1 + spread * v) + n / 2 * apart) / (2 * n)
        found.append(v)
    return np.array(found)


def simulate_variance(
    regime: str,
    draws: int,
    generations: int,
    dimension: int,
    repetitions: int,
    seed: int,
    spread: float = 1.0,
) -> Values:
    """Mean variance over the dimensions of every generation's model.

    Shape (repetitions, generations). Dimensions are fitted with a full covariance matrix.
    """
    if regime not in REGIMES:
        raise ValueError(f"there is no regime '{regime}'; known: {', '.join(REGIMES)}")
    found = np.empty((repetitions, generations))
    for number in range(repetitions):
        rng = np.random.default_rng([seed, number])
        real = rng.standard_normal((draws, dimension))
        data, pool = real, real
        for generation in range(generations):
            mean = data.mean(axis=0)
            covariance = (data - mean).T @ (data - mean) / len(data)
            found[number, generation] = np.trace(covariance) / dimension
            root = _root(spread * covariance)
            synthetic = mean + rng.standard_normal((draws, dimension)) @ root
            if regime in ("accumulate", "subsample"):
                pool = np.concatenate([pool, synthetic])
            if regime == "replace":
                data = synthetic
            elif regime == "accumulate":
                data = pool
            elif regime == "subsample":
                data = pool[rng.choice(len(pool), draws, replace=False)]
            else:
                first = real if regime == "fixed" else rng.standard_normal((draws, dimension))
                data = np.concatenate([first, synthetic])
    return found


def expected_error(
    regime: str, rows: int, dimension: int, generations: int, noise: float
) -> Values:
    """Expected excess test error of a linear regression by generation; shape (generations,).

    T rows, d dimensions, label noise of deviation `noise`, isotropic inputs, the same inputs
    labelled anew by every generation: sigma^2 d / (T - d - 1) times n with `replace`, times
    sum 1 / i^2 with `accumulate` (Gerstgrasser et al., theorem 2).
    """
    if rows <= dimension + 1:
        raise ValueError(f"{rows} rows are too few for {dimension} dimensions")
    first = noise**2 * dimension / (rows - dimension - 1)
    n = np.arange(1, generations + 1)
    if regime == "replace":
        return np.asarray(first * n)
    if regime == "accumulate":
        return np.asarray(first * np.cumsum(1.0 / n**2))
    raise ValueError(f"no closed form is known for '{regime}'; known: replace, accumulate")


def simulate_error(
    regime: str,
    rows: int,
    dimension: int,
    generations: int,
    repetitions: int,
    seed: int,
    noise: float = 1.0,
) -> Values:
    """Excess test errors of least squares, exact given w; shape (repetitions, generations)."""
    expected_error(regime, rows, dimension, 1, noise)  # refuses what it does not know
    found = np.empty((repetitions, generations))
    for number in range(repetitions):
        rng = np.random.default_rng([seed, number])
        x = rng.standard_normal((rows, dimension))
        inverse = np.linalg.pinv(x)
        truth = rng.standard_normal(dimension) / math.sqrt(dimension)
        w, all_labels = truth, np.zeros(rows)
        for generation in range(generations):
            labels = x @ w + noise * rng.standard_normal(rows)
            if regime == "replace":
                w = inverse @ labels
            else:  # the same inputs with several labels: least squares on the labels' mean
                all_labels += labels
                w = inverse @ (all_labels / (generation + 1))
            found[number, generation] = float(((w - truth) ** 2).sum())
    return found


def _root(covariance: Values) -> Values:
    """A matrix whose square is the covariance, however near to singular that has become."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)
