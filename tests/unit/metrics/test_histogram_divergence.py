"""Divergences of histograms: compared with their definitions and published values."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from manybaskets.metrics.histogram_divergence import (
    frontier_integral,
    js_divergence,
    mauve_of_histograms,
)
from tests.support.embedding_rows import (
    Floats,
    plain_kl,
    plain_mauve,
)

histograms = st.lists(st.integers(0, 20), min_size=8, max_size=8).filter(lambda h: sum(h) > 0)


def share_of(counts: list[int]) -> Floats:
    return np.array(counts) / sum(counts)


HALVES = np.array([0.5, 0.5, 0, 0]), np.array([0, 0.5, 0.5, 0])


# Golden values: computed once from the definition, apart from this implementation.
def test_mauve_of_halves_that_overlap_is_the_reference_value() -> None:
    assert mauve_of_histograms(*HALVES) == pytest.approx(0.092572, abs=1e-6)
    assert frontier_integral(*HALVES) == pytest.approx(0.5, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(histograms, histograms, st.sampled_from([0.5, 1, 5]))
def test_mauve_of_histograms_is_that_of_a_sorted_curve(
    p: list[int], q: list[int], c: float
) -> None:
    expected = plain_mauve(share_of(p), share_of(q), c)
    assert mauve_of_histograms(share_of(p), share_of(q), c) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(histograms, histograms)
def test_frontier_integral_is_the_integral(p_counts: list[int], q_counts: list[int]) -> None:
    p, q = share_of(p_counts), share_of(q_counts)

    def integrand(w: float) -> float:
        r = w * p + (1 - w) * q
        return 2 * (w * plain_kl(p, r) + (1 - w) * plain_kl(q, r))

    assert frontier_integral(p, q) == pytest.approx(quad(integrand, 0, 1)[0], abs=1e-6)


def test_frontier_integral_of_nearly_equal_histograms_keeps_its_precision() -> None:
    for difference in (1.1e-4, 0.9e-4, 1e-5, 1e-6):
        p = np.array([0.5 - difference / 2, 0.5 + difference / 2])
        expected = 2 / 3 * difference**2  # the leading term of the series
        assert frontier_integral(p, p[::-1]) == pytest.approx(expected, rel=1e-7, abs=0)


@settings(deadline=None, max_examples=60)
@given(histograms, histograms)
def test_js_divergence_is_its_definition(p_counts: list[int], q_counts: list[int]) -> None:
    p, q = share_of(p_counts), share_of(q_counts)
    mean = (p + q) / 2
    expected = (plain_kl(p, mean) + plain_kl(q, mean)) / 2 / math.log(2)
    assert js_divergence(p, q) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("divergence", [frontier_integral, js_divergence])
def test_divergences_are_zero_for_equal_and_one_for_disjoint_histograms(
    divergence: Callable[[Floats, Floats], float],
) -> None:
    p = np.array([0.2, 0.8, 0, 0])
    assert divergence(p, p) == 0
    assert divergence(p, p[::-1]) == pytest.approx(1, abs=1e-12)
    assert divergence(*HALVES) == pytest.approx(divergence(*HALVES[::-1]), abs=1e-12)


def test_mauve_of_equal_histograms_is_one_and_of_disjoint_ones_small() -> None:
    for p in (np.array([1.0]), np.array([0.5, 0.5, 0]), np.full(30, 1 / 30)):
        assert mauve_of_histograms(p, p) == pytest.approx(1, abs=1e-12)
    assert mauve_of_histograms(np.array([1.0, 0]), np.array([0, 1.0])) < 0.01


@pytest.mark.parametrize("of", [mauve_of_histograms, frontier_integral, js_divergence])
def test_values_that_do_not_sum_to_one_are_refused(of: Callable[[Floats, Floats], float]) -> None:
    whole = np.array([0.5, 0.5])
    with pytest.raises(ValueError, match=r"must be \(bins,\)"):
        of(whole, np.array([0.5, 0.25, 0.25]))
    for wrong in ([0.5, 0.6], [1.5, -0.5], [math.nan, 1]):
        with pytest.raises(ValueError, match="sum to 1"):
            of(whole, np.array(wrong))
    with pytest.raises(ValueError, match="scale c is 0"):
        mauve_of_histograms(whole, whole, 0)
