"""Self-consuming loops with closed forms: Gaussians and linear regressions.

A Gaussian is fitted to samples of its predecessor, or a regression to labels of its predecessor.
Generation 1 is fitted to n real draws, and each generation produces n draws S. The regimes define
the data of later generations: `replace`, the last S; `accumulate`, the real draws and every S;
`subsample`, n of those without replacement; `fixed`, the real draws and the last S; `fresh`, n new
real draws and the last S (Alemohammad et al. 2023, arXiv 2307.01850; Gerstgrasser et al. 2024,
2404.01413; Kazdan et al. 2024, 2410.16713). Covariances are divided by the number of draws.
"""

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
REGIMES = ("replace", "accumulate", "subsample", "fixed", "fresh")


def expected_variance(regime: str, draws: int, generations: int, spread: float = 1.0) -> Values:
    """Returns the expected variance of each generation's model, shape (generations,).

    The real variance is 1, and all dimensions have the same expectation. `draws` is n. `spread`
    scales the variance of sampling from a model: below 1, samples are biased towards the mode, as
    at a low temperature. Derived from the law of total variance; exact for every n >= 2.
    """
    n, v = draws, 1 - 1 / draws
    variances = [v]
    pool, size = v, n  # variance and number of the accumulated draws
    drift = 1 / n  # expected squared distance of the mean from 0, or from the real mean if `fixed`
    if regime == "fixed":
        drift = 0.0
    for _ in range(generations - 1):
        noise = spread * v / n  # variance of the mean of n synthetic draws
        if regime == "replace":
            v = (n - 1) / n * spread * v
        elif regime == "accumulate":
            between = size * n / (size + n) * noise
            v = (size * v + (n - 1) * spread * v + between) / (size + n)
            size += n
        elif regime == "subsample":
            unbiased = pool * size / (size - 1)
            off_centre = unbiased / n * (1 - n / size)  # between a subsample's and the pool's mean
            between = size * n / (size + n) * (off_centre + noise)
            pool = (size * pool + (n - 1) * spread * v + between) / (size + n)
            size += n
            v = (n - 1) / n * pool * size / (size - 1)
        else:  # n real and n synthetic draws
            apart = drift + noise + (1 / n if regime == "fresh" else 0.0)
            drift = apart / 4
            v = ((n - 1) * (1 + spread * v) + n / 2 * apart) / (2 * n)
        variances.append(v)
    return np.array(variances)


def simulate_variance(
    regime: str,
    draws: int,
    generations: int,
    dimension: int,
    repetitions: int,
    seed: int,
    spread: float = 1.0,
) -> Values:
    """Returns the simulated variance of every generation's model, averaged over the dimensions.

    Its shape is (repetitions, generations). Each model is a Gaussian with a full covariance matrix.
    Raises ValueError for an unknown regime.
    """
    if regime not in REGIMES:
        raise ValueError(f"there is no regime '{regime}'; known: {', '.join(REGIMES)}")
    variances = np.empty((repetitions, generations))
    for number in range(repetitions):
        rng = np.random.default_rng([seed, number])
        real = rng.standard_normal((draws, dimension))
        data, pool = real, real
        for generation in range(generations):
            mean = data.mean(axis=0)
            covariance = (data - mean).T @ (data - mean) / len(data)
            variances[number, generation] = np.trace(covariance) / dimension
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
    return variances


def expected_error(
    regime: str, rows: int, dimension: int, generations: int, noise: float
) -> Values:
    """Returns the expected excess test error of a linear regression, shape (generations,).

    With T rows of isotropic inputs in d dimensions, which every generation labels with noise of
    standard deviation `noise`, the error of generation n is sigma^2 d / (T - d - 1) times n for
    `replace`, and times the sum of 1 / i^2 up to n for `accumulate` (Gerstgrasser et al., theorem
    2). Raises ValueError for other regimes and for T <= d + 1.
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
    """Returns simulated excess test errors of least squares, shape (repetitions, generations).

    They are exact given w. Raises ValueError as `expected_error` does.
    """
    expected_error(regime, rows, dimension, 1, noise)  # validates the arguments
    errors = np.empty((repetitions, generations))
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
            else:  # several labels of the same inputs: least squares on the labels' mean
                all_labels += labels
                w = inverse @ (all_labels / (generation + 1))
            errors[number, generation] = float(((w - truth) ** 2).sum())
    return errors


def _root(covariance: Values) -> Values:
    """Returns the symmetric square root of a covariance matrix, which may be near-singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)
