"""Derived seeds."""

from manybaskets import seeds


def test_a_purpose_has_one_seed_and_another_purpose_another() -> None:
    assert seeds.derived_seed(1, "a") == seeds.derived_seed(1, "a")
    found = {seeds.derived_seed(*p) for p in ((1, "a"), (2, "a"), (1, "b"), ("1a",), (1, "", "a"))}
    assert len(found) == 5
    assert all(0 <= seed < 2**31 for seed in found)
