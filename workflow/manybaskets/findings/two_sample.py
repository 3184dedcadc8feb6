"""Two samples of seeds compared: tests, intervals, effect sizes, and adjustments for many tests.

Every sample has the shape (seeds,), one value per seed. Knows nothing about tables.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import gammaln

EXACT_SPLITS = 20_000  # up to 8 against 8 seeds every split is looked at
RANDOM_SPLITS = 9_999
TESTS_AT_ONCE = 256  # 20 MB of sums over random splits

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Welch:
    """Welch's comparison of two means: the first minus the second, in their unit."""

    difference: float
    low: float
    high: float
    degrees_of_freedom: float
    p: float


def welch(mix: ArrayLike, against: ArrayLike, alpha: float = 0.05) -> Welch:
    """Welch's t-test of two samples of seeds, each of shape (seeds,), with its 1 - alpha interval.

    Welch 1947, degrees of freedom by Welch and Satterthwaite. Holds with no variation in one of
    the two samples; raises ValueError with none in either and with fewer than two seeds, since
    there is nothing then to compare a difference with.
    """
    # scipy.stats.ttest_ind and its confidence_interval give the same numbers to 13 digits, take
    # four times as long, which counts with tens of thousands of contrasts, and warn of samples
    # without variation.
    x, y = as_values(mix), as_values(against)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"{len(x)} and {len(y)} seeds; it takes at least 2 of each.")
    if not (varies(x) or varies(y)):
        raise ValueError("no variation over seeds in either sample; that is not a test.")
    of_x, of_y = (variance(x) / len(x), variance(y) / len(y))
    difference = float(x.mean() - y.mean())
    error = math.sqrt(of_x + of_y)
    freedom = (of_x + of_y) ** 2 / (of_x**2 / (len(x) - 1) + of_y**2 / (len(y) - 1))
    margin = float(stats.t.ppf(1 - alpha / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(difference) / error, freedom))
    return Welch(difference, difference - margin, difference + margin, freedom, p)


def equivalence_p(mix: ArrayLike, against: ArrayLike, margin: float) -> float:
    """Two one-sided Welch tests (Schuirmann 1987): small where the difference lies within ±margin.

    The larger of the p-values of "the difference is at most -margin" and "at least +margin". At a
    true difference of exactly the margin it falls below alpha in a share alpha of studies. Raises
    ValueError for a margin that is not above 0 and as `welch` does.
    """
    if not margin > 0:
        raise ValueError(f"the margin is {margin}; it has to be above 0.")
    test = welch(mix, against)
    x, y = as_values(mix), as_values(against)
    error = math.sqrt(variance(x) / len(x) + variance(y) / len(y))
    nearest = margin - abs(test.difference)
    return float(stats.t.sf(nearest / error, test.degrees_of_freedom))


def hedges_g(mix: ArrayLike, against: ArrayLike) -> float:
    """Standardised difference of two samples of seeds, free of the bias of small samples.

    Hedges 1981: the difference of means over the pooled standard deviation, times the exact
    correction J = gamma(m/2) / (sqrt(m/2) gamma((m-1)/2)) for m = n_x + n_y - 2 degrees of
    freedom. Raises ValueError with fewer than two seeds of each and without any variation.
    """
    x, y = as_values(mix), as_values(against)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"{len(x)} and {len(y)} seeds; it takes at least 2 of each.")
    freedom = len(x) + len(y) - 2
    pooled = ((len(x) - 1) * variance(x) + (len(y) - 1) * variance(y)) / freedom
    if pooled == 0:
        raise ValueError("no variation over seeds in either sample; nothing to standardise by.")
    correction = math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(
        freedom / 2
    )
    return float(correction * (x.mean() - y.mean()) / math.sqrt(pooled))


def cliffs_delta(mix: ArrayLike, against: ArrayLike) -> float:
    """P(x > y) - P(x < y) over all pairs of one seed of each (Cliff 1993), from -1 to 1.

    Raises ValueError for an empty sample.
    """
    x, y = as_values(mix), as_values(against)
    if len(x) == 0 or len(y) == 0:
        raise ValueError("a sample without a seed has no delta.")
    return float(np.sign(x[:, None] - y[None, :]).mean())


def permutation_p(mix: ArrayLike, against: ArrayLike) -> float:
    """Two-sided p-value of the difference of means over all splits of the seeds into two samples.

    Exact up to EXACT_SPLITS splits; beyond, over RANDOM_SPLITS random ones (always the same),
    with the observed split counted among them (Phipson and Smyth 2010). Twice the smaller of the
    one-sided p-values, 1 at most. Raises ValueError for an empty sample.
    """
    x, y = as_values(mix), as_values(against)
    if len(x) == 0 or len(y) == 0:
        raise ValueError("a sample without a seed cannot be permuted.")
    return float(permutation_ps(np.concatenate([x, y])[None, :], len(x))[0])


def permutation_ps(pooled: Values, seeds_mix: int) -> Values:
    """P-values of many tests at once, from values of shape (tests, seeds of both mixes)."""
    splits = _splits(seeds_mix, pooled.shape[1] - seeds_mix)
    is_exact = math.comb(pooled.shape[1], seeds_mix) <= EXACT_SPLITS
    ps = [
        _two_sided(splits, pooled[start : start + TESTS_AT_ONCE], seeds_mix, is_exact)
        for start in range(0, len(pooled), TESTS_AT_ONCE)
    ]
    return np.concatenate(ps)


def _two_sided(splits: Values, pooled: Values, seeds_mix: int, is_exact: bool) -> Values:
    # The mean of one side orders the splits as the difference of means does.
    centred = pooled - pooled.mean(axis=1, keepdims=True)
    sums = splits @ centred.T
    observed = centred[:, :seeds_mix].sum(axis=1)
    slack = 1e-12 * np.abs(centred).sum(axis=1)  # equal but for rounding is equal
    more = (sums >= observed - slack).sum(axis=0)
    less = (sums <= observed + slack).sum(axis=0)
    uncounted = 0 if is_exact else 1  # random splits leave the observed one out
    smaller = (np.minimum(more, less) + uncounted) / (len(splits) + uncounted)
    return np.asarray(np.minimum(1.0, 2 * smaller))


@functools.lru_cache(maxsize=4)
def _splits(seeds_mix: int, seeds_against: int) -> Values:
    """Which seeds go to the first sample, one split a row: 1 for those, 0 for the others."""
    seeds = seeds_mix + seeds_against
    if math.comb(seeds, seeds_mix) <= EXACT_SPLITS:
        chosen = np.array(list(itertools.combinations(range(seeds), seeds_mix)))
    else:
        draws = np.random.default_rng(0).random((RANDOM_SPLITS, seeds))
        chosen = np.argsort(draws, axis=1)[:, :seeds_mix]
    splits = np.zeros((len(chosen), seeds))
    np.put_along_axis(splits, chosen, 1.0, axis=1)
    return splits


def smallest_permutation_p(seeds_mix: int, seeds_against: int) -> float:
    """The smallest two-sided p-value that any values of so many seeds can attain."""
    return min(1.0, 2 / math.comb(seeds_mix + seeds_against, seeds_mix))


def seeds_to_permute(alpha: float = 0.05) -> int:
    """The fewest seeds of each of two mixes with which a permutation test can reach alpha."""
    seeds = 2
    while smallest_permutation_p(seeds, seeds) > alpha:
        seeds += 1
    return seeds


def holm(p_values: ArrayLike) -> Values:
    """P-values of shape (tests,) adjusted for the chance of any false positive (Holm 1979)."""
    p = as_values(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Values:
    """P-values of shape (tests,) adjusted for the share of false positives (1995)."""
    p = as_values(p_values)
    return np.asarray(stats.false_discovery_control(p, method="bh")) if len(p) else p


def as_values(sample: ArrayLike) -> Values:
    """The sample as an array of floats."""
    return np.asarray(sample, dtype=np.float64)


def varies(values: Values) -> bool:
    """Whether the values differ by more than the rounding of their last digits."""
    rounding = 8 * float(np.finfo(np.float64).eps) * float(np.abs(values).max())
    return float(np.ptp(values)) > rounding


def variance(values: Values) -> float:
    """Unbiased variance; exactly 0 where the values differ by rounding only."""
    return float(values.var(ddof=1)) if varies(values) else 0.0
