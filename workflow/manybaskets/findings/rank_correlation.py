"""Spearman's rank correlation of a few conditions, with a p-value that holds for few."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

FEWEST = 4  # with three, the smallest possible p-value is one in three
EXACT = 8  # up to here all orders are counted: 8! = 40,320
DRAWN = 20_000  # orders drawn beyond
ROUNDING = 1e-12


class RankCorrelation(NamedTuple):
    """rho over `n` conditions; rho and p are None, with a note, where there are too few."""

    rho: float | None
    p: float | None
    n: int
    note: str = ""


def rank_correlation(x: ArrayLike, y: ArrayLike) -> RankCorrelation:
    """Spearman's rho of x and y, of shape (n,), and its two-sided permutation p-value.

    Ties get mean ranks. Up to EXACT conditions every order is counted, beyond DRAWN orders are
    drawn with a fixed seed; the observed order is one of them, so p is never 0.
    """
    one, other = stats.rankdata(x), stats.rankdata(y)
    n = len(one)
    if n < FEWEST:
        return RankCorrelation(None, None, n, f"too few to correlate: {n}, {FEWEST} needed")
    one, other = one - one.mean(), other - other.mean()
    scale = math.sqrt(float(one @ one) * float(other @ other))
    if scale == 0:
        return RankCorrelation(None, None, n, "one of the two does not vary")
    rho = float(one @ other) / scale
    if n <= EXACT:
        orders = np.array(list(itertools.permutations(range(n))))
        correlations = other[orders] @ one / scale
        return RankCorrelation(rho, float((abs(correlations) >= abs(rho) - ROUNDING).mean()), n)
    rng = np.random.default_rng(n)
    correlations = rng.permuted(np.tile(other, (DRAWN, 1)), axis=1) @ one / scale
    as_far = int((abs(correlations) >= abs(rho) - ROUNDING).sum())
    return RankCorrelation(rho, (as_far + 1) / (DRAWN + 1), n)
