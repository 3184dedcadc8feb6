"""Intervals of measures of a judge: a bootstrap over items, and over seeds where there are several.

A measure is a function of weights of shape (resamples, units), one row per resample; a unit is
one item of one seed. Resampling items draws all judgements of an item together, since they are
judgements of the same texts.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
Measure = Callable[[Values], Values]

RESAMPLES = 1999
DEFINED_SHARE = 0.95  # of the resamples, for an interval to be given
CHUNK = 2_000_000  # weights in memory at once, 16 MB
JACKKNIFED = 400  # items at most; with more, skewness hardly matters


class Interval(NamedTuple):
    """A 95 % interval, or None twice with the reason."""

    low: float | None
    high: float | None
    reason: str = ""


def bootstrap(
    measure: Measure,
    items: NDArray[np.int64],
    seeds: NDArray[np.int64],
    pairs: int,
    used: NDArray[np.bool_] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Returns the bias-corrected and accelerated (BCa), expanded interval of a measure at 95 %.

    `items` and `seeds`, of shape (units,), are the item and the seed of each unit; `used`, of the
    same shape, marks the units that the measure rests on. `pairs` bounds the memory: it is the
    number of columns into which the measure expands the weights. Items are drawn with replacement;
    with more than one seed, seeds are too, crossed with the items (Owen 2007, "The pigeonhole
    bootstrap"), which is conservative. The percentiles are those of BCa (Efron 1987, JASA 82;
    without several seeds only), which shares near 0 or 1 need, widened as Hesterberg 2015 (Am.
    Stat. 69(4)) by sqrt(n / (n - 1)) and Student's t, n being the smaller number of items or seeds,
    since intervals of few items are too short otherwise.
    """
    used = np.ones(len(items), bool) if used is None else used
    distinct = len(np.unique(items[used]))
    replicated = len(np.unique(seeds[used]))
    if distinct < 2:
        return Interval(None, None, "fewer than two items")
    draws = np.concatenate(list(_draws(measure, items, seeds, pairs, resamples, seed)))
    defined = draws[np.isfinite(draws)]
    if len(defined) < DEFINED_SHARE * len(draws):
        return Interval(None, None, "too few items: not defined in many resamples")
    if np.ptp(defined) < 1e-12:
        return Interval(None, None, "no variation between items")
    clusters = distinct if replicated == 1 else min(distinct, replicated)
    widened = np.sqrt(clusters / (clusters - 1)) * stats.t.ppf(0.025, clusters - 1)
    shift, skew = 0.0, 0.0
    if replicated == 1:
        shift = _bias_correction(measure, len(items), defined)
        skew = _acceleration(measure, items, used) if distinct <= JACKKNIFED else 0.0
    tails = [
        stats.norm.cdf(shift + (shift + z) / (1 - skew * (shift + z))) for z in (widened, -widened)
    ]
    low, high = np.quantile(defined, tails)
    return Interval(float(low), float(high))


def _bias_correction(measure: Measure, units: int, defined: Values) -> float:
    """Efron's z0: the normal quantile of the share of resamples below the sample's own value."""
    value = measure(np.ones((1, units)))[0]
    below = (np.mean(defined < value) + np.mean(defined <= value)) / 2
    return float(stats.norm.ppf(np.clip(below, 0.01, 0.99)))


def _acceleration(measure: Measure, items: NDArray[np.int64], used: NDArray[np.bool_]) -> float:
    """Efron's a: a sixth of the skewness of the values with one item left out at a time."""
    without = (np.unique(items[used])[:, None] != items[None, :]).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        influence = measure(without)
    influence = influence.mean() - influence
    spread = float((influence**2).sum() ** 1.5)
    if not np.isfinite(spread) or spread == 0:
        return 0.0
    return float((influence**3).sum() / (6 * spread))


def _draws(
    measure: Measure,
    items: NDArray[np.int64],
    seeds: NDArray[np.int64],
    pairs: int,
    resamples: int,
    seed: int,
) -> "list[Values]":
    """Returns the values in all resamples, in chunks that fit into memory; each of shape (n,)."""
    step = max(1, min(resamples, CHUNK // max(pairs, len(items), 1)))
    draws = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        weights = _weights(items.tobytes(), seeds.tobytes(), count, seed, start)
        with np.errstate(invalid="ignore", divide="ignore"):
            draws.append(measure(weights))
    return draws


@functools.lru_cache(maxsize=2)  # the measures of a judge are resampled alike, one after another
def _weights(items: bytes, seeds: bytes, count: int, seed: int, start: int) -> Values:
    generator = np.random.default_rng([seed, start])
    weights = _resampled(generator, np.frombuffer(items, np.int64), count)
    of_seeds = np.frombuffer(seeds, np.int64)
    if len(np.unique(of_seeds)) > 1:
        weights = weights * _resampled(generator, of_seeds, count)
    weights.flags.writeable = False
    return weights


def _resampled(generator: np.random.Generator, ids: NDArray[np.int64], count: int) -> Values:
    """Returns how often the item (or seed) of each unit is drawn; shape (count, units)."""
    distinct, index = np.unique(ids, return_inverse=True)
    drawn = generator.multinomial(
        len(distinct), np.full(len(distinct), 1 / len(distinct)), size=count
    )
    return drawn.astype(float)[:, index]
