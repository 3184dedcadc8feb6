"""Intervals: exact where a textbook gives them, wide for few seeds, None where undefined."""

import numpy as np
import pytest
from scipy import stats

from manybaskets.probes.preference import bootstrap as bootstrap_module
from manybaskets.probes.preference.bootstrap import Values, bootstrap

ZERO = np.zeros(30, np.int64)


def mean_of(values: Values) -> bootstrap_module.Measure:
    return lambda weights: (weights @ values) / weights.sum(axis=1)


def test_the_interval_of_a_mean_is_about_students() -> None:
    values = stats.norm.ppf((np.arange(30) + 0.5) / 30)
    found = bootstrap(mean_of(values), np.arange(30), ZERO, 30, resamples=20_000)
    low, high = stats.t.interval(0.95, 29, values.mean(), values.std(ddof=1) / np.sqrt(30))
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)


def test_judgements_of_an_item_are_drawn_together() -> None:
    values = np.random.default_rng(1).normal(size=30)
    alone = bootstrap(mean_of(values), np.arange(30), ZERO, 30)
    tenfold = bootstrap(
        mean_of(np.repeat(values, 10)), np.repeat(np.arange(30), 10), np.repeat(ZERO, 10), 300
    )
    assert (tenfold.low, tenfold.high) == pytest.approx((alone.low, alone.high))


def test_the_size_of_chunks_does_not_bound_the_memory_at_the_cost_of_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(2).normal(size=30)
    whole = bootstrap(mean_of(values), np.arange(30), ZERO, 30, resamples=4000)
    monkeypatch.setattr(bootstrap_module, "CHUNK", 3000)
    chunked = bootstrap(mean_of(values), np.arange(30), ZERO, 30, resamples=4000)
    assert chunked.low == pytest.approx(whole.low, abs=0.05)


def test_few_seeds_widen_the_interval() -> None:
    values = np.random.default_rng(3).normal(size=60)
    items, seeds = np.tile(np.arange(20), 3), np.repeat(np.arange(3), 20)
    one = bootstrap(mean_of(values), items, np.zeros(60, np.int64), 60)
    three = bootstrap(mean_of(values), items, seeds, 60)
    assert one.low is not None and one.high is not None
    assert three.low is not None and three.high is not None
    assert three.high - three.low > one.high - one.low


def test_seeds_that_differ_are_what_the_interval_covers() -> None:
    """200 studies of 4 seeds that differ from each other: at least 93 % cover the truth."""
    covered = 0
    items, seeds = np.tile(np.arange(20), 4), np.repeat(np.arange(4), 20)
    for study in range(200):
        generator = np.random.default_rng(study)
        values = generator.normal(size=80) + generator.normal(size=4)[seeds]
        found = bootstrap(mean_of(values), items, seeds, 80, resamples=399, seed=study)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0 <= found.high
    assert covered >= 186


def test_only_items_that_a_measure_rests_on_count_as_items() -> None:
    used = np.zeros(30, bool)
    used[:1] = True
    found = bootstrap(mean_of(np.ones(30)), np.arange(30), ZERO, 30, used)
    assert found.low is None
    assert "fewer than two items" in found.reason


def test_without_variation_there_is_no_interval_not_one_of_length_zero() -> None:
    found = bootstrap(mean_of(np.zeros(30)), np.arange(30), ZERO, 30)
    assert (found.low, found.high, found.reason) == (None, None, "no variation between items")


def test_a_measure_that_many_resamples_do_not_define_has_no_interval() -> None:
    def of_first(weights: Values) -> Values:
        return np.where(weights[:, 0] > 0, weights[:, 1], np.nan)

    found = bootstrap(of_first, np.arange(30), ZERO, 30)
    assert found.low is None
    assert "not defined in many resamples" in found.reason
