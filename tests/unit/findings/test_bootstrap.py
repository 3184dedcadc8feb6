"""The interval over seeds and prompts; test_null_studies checks its coverage."""

import numpy as np
import pytest

from manybaskets.findings.bootstrap import ByItem, two_way
from manybaskets.findings.two_sample import welch


def by_item(values: np.ndarray) -> ByItem:
    return ByItem(values, np.ones_like(values))


def drawn(seeds: int = 5, prompts: int = 80, shift: float = 0.0) -> ByItem:
    draw = np.random.default_rng([seeds, prompts, round(10 * shift)])
    return by_item(shift + draw.normal(size=(seeds, 1)) + draw.normal(size=(seeds, prompts)))


def test_the_difference_is_that_of_the_means_over_seeds() -> None:
    one, other = drawn(), drawn(shift=2.0)
    found = two_way(one, other)
    assert found.difference == pytest.approx(one.amounts.mean() - other.amounts.mean())
    assert found.low < found.difference < found.high


def test_it_is_the_same_every_time() -> None:
    one, other = drawn(), drawn(shift=2.0)
    assert two_way(one, other) == two_way(by_item(one.amounts), by_item(other.amounts))


def test_where_only_seeds_vary_it_is_welchs() -> None:
    draw = np.random.default_rng(1)
    one, other = (by_item(np.repeat(draw.normal(size=(6, 1)), 50, axis=1)) for _ in range(2))
    ours, theirs = two_way(one, other, draws=20_000), welch(one.values, other.values)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.03, abs=0.03)


def test_prompts_that_differ_between_conditions_widen_it() -> None:
    one, other = drawn(), drawn(shift=2.0)
    effects = np.random.default_rng(2).normal(0, 20, size=one.amounts.shape[1])
    effects -= effects.mean()
    wider = two_way(by_item(one.amounts + effects), other)
    narrow = two_way(one, other)
    assert wider.difference == pytest.approx(narrow.difference)
    assert wider.high - wider.low > 2 * (narrow.high - narrow.low)


def test_prompts_that_are_as_hard_for_both_do_not() -> None:
    one, other = drawn(), drawn(shift=2.0)
    effects = np.random.default_rng(2).normal(0, 20, size=one.amounts.shape[1])
    alike = two_way(by_item(one.amounts + effects), by_item(other.amounts + effects))
    narrow = two_way(one, other)
    assert alike.high - alike.low == pytest.approx(narrow.high - narrow.low, rel=0.05)


def test_a_ratio_of_sums_weighs_prompts_by_size() -> None:
    draw = np.random.default_rng(3)
    sizes = np.tile(draw.integers(5, 50, 40).astype(float), (4, 1))
    one, other = (ByItem(sizes * draw.normal(2, 0.1, sizes.shape), sizes) for _ in range(2))
    found = two_way(one, other)
    expected = [(x.amounts.sum(axis=1) / x.sizes.sum(axis=1)).mean() for x in (one, other)]
    assert found.difference == pytest.approx(expected[0] - expected[1])


def test_no_variation_at_all_is_an_interval_without_width() -> None:
    found = two_way(by_item(np.ones((3, 4))), by_item(np.zeros((3, 4))))
    assert (found.low, found.high) == (1.0, 1.0)


@pytest.mark.parametrize(("seeds", "prompts"), [(1, 10), (3, 1)])
def test_one_seed_or_one_prompt_is_refused(seeds: int, prompts: int) -> None:
    with pytest.raises(ValueError, match="at least 2 of each"):
        two_way(drawn(seeds, prompts), drawn(seeds, prompts))


def test_other_numbers_of_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="must be the same"):
        two_way(drawn(3, 10), drawn(3, 11))
