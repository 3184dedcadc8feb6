"""Rank correlation: scipy's rho, and a p-value that counts orders."""

import numpy as np
import pytest
from scipy import stats

from manybaskets.findings.rank_correlation import EXACT, rank_correlation


def test_rho_is_scipys_with_ties_too() -> None:
    x, y = [1, 2, 2, 3, 5, 9], [2.0, 1.0, 3.0, 3.0, 7.0, 6.0]
    found = rank_correlation(x, y)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert (found.n, found.note) == (6, "")


def test_p_counts_the_orders_that_are_as_far() -> None:
    """Of 24 orders of four, two are as far from 0 as a perfect one."""
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 4]).p == pytest.approx(2 / 24)
    assert rank_correlation([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).p == pytest.approx(2 / 120)


def test_drawn_orders_agree_with_counted_ones() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=EXACT + 4)
    y = x + rng.normal(size=EXACT + 4)
    found = rank_correlation(x, y)
    assert found.p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.02)
    assert rank_correlation(x, y) == found
    assert rank_correlation(x, x).p > 0  # type: ignore[operator]


def test_independent_conditions_are_called_related_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(2)
    p = [rank_correlation(*rng.normal(size=(2, 6))).p for _ in range(600)]
    assert np.mean(np.array(p, dtype=float) <= 0.05) == pytest.approx(0.05, abs=0.03)


def test_too_few_or_equal_conditions_have_none() -> None:
    few = rank_correlation([1, 2, 3], [1, 2, 3])
    assert (few.rho, few.p, few.n) == (None, None, 3)
    assert few.note == "too few to correlate: 3, 4 needed"
    flat = rank_correlation([1, 1, 1, 1], [1, 2, 3, 4])
    assert flat.rho is None
    assert "does not vary" in flat.note
