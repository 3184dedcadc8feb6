"""Intervals over seeds and prompts: a two-way cluster bootstrap of a difference of conditions.

Welch's interval is for other seeds on the same prompts. This one is for other seeds on other
prompts of the same kind: seeds and prompts are resampled, crossed, with the same prompts for both
conditions.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DRAWS = 2_000
SMALL = 2_000_000  # multiplications

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)  # compared by identity, so that draws can be kept
class ByItem:
    """A metric of one condition by seed and prompt: of shape (seeds, items) each.

    The metric of a seed is the sum of `amounts` over the sum of `sizes`; for a plain mean over
    prompts the sizes are 1.
    """

    amounts: Values
    sizes: Values

    @property
    def values(self) -> Values:
        """The metric of every seed, of shape (seeds,)."""
        return np.asarray(self.amounts.sum(axis=1) / self.sizes.sum(axis=1))


@dataclass(frozen=True)
class Interval:
    """A difference (the first minus the second) with its interval over seeds and prompts."""

    difference: float
    low: float
    high: float
    degrees_of_freedom: float


def two_way(mix: ByItem, against: ByItem, alpha: float = 0.05, draws: int = DRAWS) -> Interval:
    """The 1 - alpha interval of the difference of two conditions' means over seeds.

    Every draw takes n - 1 of n seeds of each condition (so that the variance over seeds is not
    underestimated: Rao and Wu 1988) and as many prompts as there are, with replacement; both
    conditions get the same prompts. Crossed resampling counts the noise of single answers three
    times (Owen 2007), so twice their variance, by a two-way analysis of variance, is taken off
    again. The interval is that of Student's t with this standard error, its degrees of freedom by
    Satterthwaite: percentiles of the draws are too narrow with few seeds. The draws are the same
    every time.

    Raises ValueError with fewer than two seeds of each or fewer than two prompts, and for
    conditions that do not have the same number of prompts.
    """
    seeds, items = mix.amounts.shape
    if min(seeds, len(against.amounts)) < 2 or items < 2:
        raise ValueError(
            f"{seeds} and {len(against.amounts)} seeds, {items} prompts; at least 2 of each needed."
        )
    if against.amounts.shape[1] != items:
        raise ValueError(f"{items} and {against.amounts.shape[1]} prompts; they must be the same.")
    drawn = _means_drawn(mix, draws, 0) - _means_drawn(against, draws, 1)
    drawn = drawn[np.isfinite(drawn)]  # a draw may hold no prompt of any size
    difference = float(mix.values.mean() - against.values.mean())
    parts = [_parts(mix), _parts(against)]
    of_seeds = [part[0] for part in parts]
    noise = parts[0][1] + parts[1][1]
    by_item = parts[0][2] - parts[1][2]
    of_items = float(by_item.var(ddof=1)) / items
    variance = max(float(drawn.var()) - 2 * noise, sum(of_seeds), of_items)
    if variance == 0:
        return Interval(difference, difference, difference, float(items - 1))
    freedom = variance**2 / (
        of_seeds[0] ** 2 / (seeds - 1)
        + of_seeds[1] ** 2 / (len(against.amounts) - 1)
        + max(of_items - noise, 0.0) ** 2 / (items - 1)
    )
    margin = float(stats.t.ppf(1 - alpha / 2, freedom)) * variance**0.5
    return Interval(difference, difference - margin, difference + margin, float(freedom))


@functools.lru_cache(maxsize=1024)
def _means_drawn(condition: ByItem, draws: int, side: int) -> Values:
    """The condition's mean over drawn seeds on drawn prompts, of shape (draws,)."""
    seeds, items = condition.amounts.shape
    prompts = _prompts_drawn(items, draws)
    sizes = condition.sizes
    if (sizes == sizes[0]).all():  # the same prompts have the same sizes under all seeds
        sizes = sizes[:1]
    with np.errstate(invalid="ignore", divide="ignore"):
        of_seed = _product(condition.amounts, prompts) / _product(sizes, prompts)
    return np.asarray(np.einsum("ds,sd->d", _seeds_drawn(seeds, draws, side), of_seed))


def _product(rows: Values, prompts: Values) -> Values:
    """The matrix product; the threads of a BLAS cost more than they help with small ones."""
    if rows.size * prompts.shape[1] < SMALL:
        return np.asarray(np.einsum("si,id->sd", rows, prompts))
    return np.asarray(rows @ prompts)


@functools.lru_cache(maxsize=8)
def _prompts_drawn(items: int, draws: int) -> Values:
    """How often each prompt is drawn, of shape (items, draws)."""
    generator = np.random.default_rng([items, 2])
    return generator.multinomial(items, np.full(items, 1 / items), draws).T.astype(np.float64)


@functools.lru_cache(maxsize=16)
def _seeds_drawn(seeds: int, draws: int, side: int) -> Values:
    """The weight of each seed in a draw, of shape (draws, seeds)."""
    generator = np.random.default_rng([seeds, side])
    counts = generator.multinomial(seeds - 1, np.full(seeds, 1 / seeds), draws)
    return np.asarray(counts / (seeds - 1))


@functools.lru_cache(maxsize=1024)
def _parts(condition: ByItem) -> tuple[float, float, Values]:
    """Variance of the mean over seeds, that of the noise in it, and the mean of every prompt.

    A ratio of sums is taken to first order: each prompt counts by its share in the sizes.
    """
    seeds, items = condition.amounts.shape
    of_seed = condition.values
    sizes = condition.sizes.mean(axis=1, keepdims=True)
    linear = of_seed[:, None] + (condition.amounts - of_seed[:, None] * condition.sizes) / sizes
    by_item = linear.mean(axis=0)
    residual = linear - by_item - of_seed[:, None] + of_seed.mean()
    noise = float((residual**2).sum()) / ((seeds - 1) * (items - 1)) / (seeds * items)
    return float(of_seed.var(ddof=1)) / seeds, noise, by_item
