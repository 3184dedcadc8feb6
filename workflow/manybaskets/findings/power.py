"""How many seeds and prompts would decide a contrast, from the variation of a finished study.

A seed's value varies because runs differ and because it rests on a limited number of prompts; more
prompts lower only the second part. Power is that of Welch's test over seeds.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from manybaskets.findings.bootstrap import ByItem

MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Variation:
    """Variance of a condition's value from seed to seed.

    `runs` is what remains with any number of prompts, `answers` the variance of a single answer
    around it, which counts divided by the number of prompts; 0 where there are no values of
    single prompts, and then `runs` is all of it.
    """

    runs: float
    answers: float = 0.0

    def with_prompts(self, prompts: int) -> float:
        """The variance with so many prompts."""
        return self.runs + self.answers / max(prompts, 1)


def variation(condition: ByItem) -> Variation:
    """The two parts by a two-way analysis of variance of values by seed and prompt.

    Needs at least two seeds and two prompts (ValueError). For a ratio of sums it holds to first
    order.
    """
    seeds, prompts = condition.amounts.shape
    if seeds < 2 or prompts < 2:
        raise ValueError(f"{seeds} seeds and {prompts} prompts; at least 2 of each needed.")
    of_seed = condition.values
    sizes = condition.sizes.mean(axis=1, keepdims=True)
    linear = of_seed[:, None] + (condition.amounts - of_seed[:, None] * condition.sizes) / sizes
    residual = linear - linear.mean(axis=0) - of_seed[:, None] + of_seed.mean()
    answers = float((residual**2).sum()) / ((seeds - 1) * (prompts - 1))
    return Variation(max(0.0, float(of_seed.var(ddof=1)) - answers / prompts), answers)


def power(difference: float, of_mix: float, of_against: float, seeds: int, alpha: float) -> float:
    """Probability that Welch's test decides, with `seeds` of each condition.

    `of_mix` and `of_against` are the variances from seed to seed. It is computed from the
    noncentral t with Welch's degrees of freedom, up to 0.03 too high with 5 seeds; without any
    variation it is 1, or 0 for no difference.
    """
    total = of_mix + of_against
    if seeds < 2:
        return 0.0
    if total == 0:
        return float(difference != 0)
    freedom = total**2 * (seeds - 1) / (of_mix**2 + of_against**2)
    shift = abs(difference) / np.sqrt(total / seeds)
    critical = stats.t.ppf(1 - alpha / 2, freedom)
    probability = stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift)
    # scipy's noncentral t gives nan far out, where the power is 1
    return 1.0 if np.isnan(probability) else float(probability)


def seeds_needed(
    difference: float, of_mix: float, of_against: float, alpha: float, wanted: float = 0.8
) -> int | None:
    """The fewest seeds of each condition that decide with the `wanted` probability.

    None where more than MOST_SEEDS would be needed, as for no difference at all.
    """
    if power(difference, of_mix, of_against, MOST_SEEDS, alpha) < wanted:
        return None
    low, high = 2, MOST_SEEDS
    while low < high:
        middle = (low + high) // 2
        if power(difference, of_mix, of_against, middle, alpha) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def smallest_difference(
    of_mix: float, of_against: float, seeds: int, alpha: float, wanted: float = 0.8
) -> float | None:
    """The difference that is decided with the `wanted` probability; None with a single seed."""
    total = of_mix + of_against
    if seeds < 2:
        return None
    if total == 0:
        return 0.0
    error = float(np.sqrt(total / seeds))
    high = 2.0
    while power(high * error, of_mix, of_against, seeds, alpha) < wanted:
        high *= 2
    ratio = optimize.brentq(
        lambda x: power(x * error, of_mix, of_against, seeds, alpha) - wanted, 0, high
    )
    return float(ratio) * error
