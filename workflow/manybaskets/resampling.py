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
CHUNK = 2_000_000  # weights held at once, 16 MB


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
    """The expanded percentile interval of a measure at 95 %.

    `items` and `seeds`, of shape (units,), say which item and which seed each unit is; `used`
    which units the measure rests on at all. `pairs` bounds the memory: the number of columns that
    the measure makes of the weights. Items are drawn with replacement; with more than one seed,
    seeds are too, crossed with the items (Owen 2007, "The pigeonhole bootstrap"), which is
    conservative. The percentiles are those of Hesterberg 2015 (Am. Stat. 69(4)): widened by
    sqrt(n / (n - 1)) and Student's t, n being the smaller number of items or seeds, since plain
    percentile intervals of few items are too short.
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
    tail = float(stats.norm.cdf(widened))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _draws(
    measure: Measure,
    items: NDArray[np.int64],
    seeds: NDArray[np.int64],
    pairs: int,
    resamples: int,
    seed: int,
) -> "list[Values]":
    """Values of the measure in all resamples, in chunks that fit the memory."""
    step = max(1, min(resamples, CHUNK // max(pairs, len(items), 1)))
    found = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        weights = _weights(items.tobytes(), seeds.tobytes(), count, seed, start)
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(measure(weights))
    return found


@functools.lru_cache(maxsize=2)  # the measures of a judge are resampled alike, one after another
def _weights(items: bytes, seeds: bytes, count: int, seed: int, start: int) -> Values:
    generator = np.random.default_rng([seed, start])
    weights = _resampled(generator, np.frombuffer(items, np.int64), count)
    of_seeds = np.frombuffer(seeds, np.int64)
    if len(np.unique(of_seeds)) > 1:
        weights = weights * _resampled(generator, of_seeds, count)
    weights.flags.writeable = False
    return weights


def _resampled(generator: np.random.Generator, of: NDArray[np.int64], count: int) -> Values:
    """How often the item (or seed) of each unit is drawn; shape (count, units)."""
    names, index = np.unique(of, return_inverse=True)
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=count)
    return drawn.astype(float)[:, index]
