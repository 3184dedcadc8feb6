"""Loops with closed forms: published values, limits, and simulation."""

import math

import numpy as np
import pytest

from manybaskets.simulations import self_consuming
from manybaskets.simulations.self_consuming import REGIMES


@pytest.mark.slow
@pytest.mark.parametrize("spread", [1.0, 0.8])
@pytest.mark.parametrize("regime", REGIMES)
def test_the_expected_variance_is_what_simulation_gives(regime: str, spread: float) -> None:
    """Few draws, so that every term counts; generations share draws, so the bound is 4 errors."""
    found = self_consuming.simulate_variance(regime, 8, 6, 2, 3000, seed=1, spread=spread)
    expected = self_consuming.expected_variance(regime, 8, 6, spread)
    error = found.std(axis=0) / math.sqrt(3000)
    assert (abs(found.mean(axis=0) - expected) < 4 * error).all()


def test_replacing_shrinks_by_one_part_in_n_every_generation() -> None:
    found = self_consuming.expected_variance("replace", 100, 100)
    assert found == pytest.approx(0.99 ** np.arange(1, 101))


def test_accumulating_converges_to_a_product_that_euler_knew() -> None:
    found = self_consuming.expected_variance("accumulate", 25, 100_000)
    assert found[-1] == pytest.approx(math.sin(math.pi / 5) / (math.pi / 5), rel=1e-5)


def test_sampling_with_a_bias_collapses_what_is_replaced_and_not_what_is_anchored() -> None:
    last = {
        regime: self_consuming.expected_variance(regime, 100, 100, 0.8)[-1] for regime in REGIMES
    }
    assert last["replace"] < 1e-9
    assert last["replace"] < last["subsample"] < last["accumulate"] < last["fixed"] < last["fresh"]


def test_the_regression_s_error_is_what_simulation_gives() -> None:
    for regime in ("replace", "accumulate"):
        found = self_consuming.simulate_error(regime, 31, 5, 6, 2000, seed=1)
        expected = self_consuming.expected_error(regime, 31, 5, 6, 1.0)
        error = found.std(axis=0) / math.sqrt(2000)
        assert (abs(found.mean(axis=0) - expected) < 4 * error).all()


def test_the_regression_s_published_values() -> None:
    replaced = self_consuming.expected_error("replace", 111, 10, 10, 1.0)
    assert replaced[[0, 4, 9]] == pytest.approx([0.1, 0.5, 1.0])
    gathered = self_consuming.expected_error("accumulate", 111, 10, 10, 1.0)
    assert gathered[[0, 4, 9]] == pytest.approx([0.1, 0.1464, 0.155], abs=5e-5)
    assert (gathered <= 0.1 * math.pi**2 / 6).all()


def test_what_has_no_closed_form_is_refused() -> None:
    with pytest.raises(ValueError, match="no closed form is known for 'fresh'"):
        self_consuming.expected_error("fresh", 100, 5, 3, 1.0)
    with pytest.raises(ValueError, match="too few for 10 dimensions"):
        self_consuming.expected_error("replace", 11, 10, 3, 1.0)
    with pytest.raises(ValueError, match="no regime 'replaced'"):
        self_consuming.simulate_variance("replaced", 10, 2, 2, 2, seed=1)
