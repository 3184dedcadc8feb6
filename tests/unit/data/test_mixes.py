"""Mixes: proportions, quarters, pairing over mixes, and dependence on the seed alone."""

from collections import Counter
from typing import Any

import pytest

from manybaskets.data import mixes

PROMPTS = [{"id": f"{i:03d}", "quarter": i % 4 + 1} for i in range(80)]
FOUR = dict.fromkeys("abcd", 0.25)


def assigned(origins: dict[str, float], assign: str, rows: int = 40, seed: int = 1) -> Any:
    return mixes.assignment(mixes.MixRecipe(origins, assign), rows, seed, PROMPTS, PROMPTS)


def test_quarters_are_answered_by_one_source_each() -> None:
    quarter_of = {row["id"]: row["quarter"] for row in PROMPTS}
    found = {(quarter_of[prompt], origin) for prompt, origin in assigned(FOUR, "quarters")}
    assert found == {(1, "a"), (2, "b"), (3, "c"), (4, "d")}


def test_random_assignment_keeps_exact_proportions_and_crosses_quarters() -> None:
    quarter_of = {row["id"]: row["quarter"] for row in PROMPTS}
    found = assigned(FOUR, "random")
    assert Counter(origin for _, origin in found) == dict.fromkeys("abcd", 10)
    assert len({(quarter_of[prompt], origin) for prompt, origin in found}) > 4


def test_uneven_shares_are_rounded_by_largest_remainder() -> None:
    counts = Counter(origin for _, origin in assigned({"a": 0.5, "b": 0.3, "c": 0.2}, "random", 7))
    assert counts == {"a": 4, "b": 2, "c": 1}  # 3.5, 2.1, 1.4


def test_all_mixes_of_a_seed_hold_the_same_prompts() -> None:
    sets = [
        {prompt for prompt, _ in assigned(origins, assign)}
        for origins, assign in (({"human": 1.0}, "random"), (FOUR, "quarters"), (FOUR, "random"))
    ]
    assert sets[0] == sets[1] == sets[2]
    assert len(sets[0]) == 40


def test_each_quarter_gives_equally_many_prompts() -> None:
    quarter_of = {row["id"]: row["quarter"] for row in PROMPTS}
    counts = Counter(quarter_of[prompt] for prompt, _ in assigned(FOUR, "random", 42))
    assert sorted(counts.values()) == [10, 10, 11, 11]


def test_a_larger_quarter_gives_the_row_that_is_left_over() -> None:
    rows = [{"id": str(n), "quarter": 1 + n % 4} for n in range(16)] + [{"id": "16", "quarter": 4}]
    counts = Counter(row["quarter"] for row in mixes.draw(rows, 17, seed=1))
    assert counts == {1: 4, 2: 4, 3: 4, 4: 5}


def test_a_seed_decides_and_another_seed_decides_otherwise() -> None:
    assert assigned(FOUR, "random") == assigned(FOUR, "random")
    assert assigned(FOUR, "random") != assigned(FOUR, "random", seed=2)


def test_the_order_of_origins_in_the_config_does_not_matter() -> None:
    backwards = dict(reversed(FOUR.items()))
    assert assigned(FOUR, "random") == assigned(backwards, "random")


def test_human_rows_of_their_own_take_the_human_slots() -> None:
    human = [{"id": f"h{i:03d}", "quarter": i % 4 + 1} for i in range(80)]
    recipe = mixes.MixRecipe({"human": 0.5, "a": 0.5}, "random")
    found = mixes.assignment(recipe, 40, 1, human, PROMPTS)
    assert Counter(origin for _, origin in found) == {"human": 20, "a": 20}
    assert all((origin == "human") == prompt.startswith("h") for prompt, origin in found)
    assert len({prompt for prompt, _ in found}) == 40


def test_more_rows_than_prompts_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs 81 rows"):
        assigned(FOUR, "random", 81)


def slots() -> list[tuple[str, str, int]]:
    return [(prompt, origin, 0) for prompt, origin in assigned({"a": 1.0}, "random")]


def responses(state: str = "ok") -> dict[tuple[str, str, int], dict[str, str]]:
    return {
        ("a", row["id"], 0): {"prompt": row["id"], "response": "two words", "state": state}
        for row in PROMPTS
    }


def test_unusable_rows_are_left_out_and_counted() -> None:
    found = responses()
    pairs = slots()
    found[("a", pairs[0][0], 0)]["state"] = "empty"
    found[("a", pairs[1][0], 0)]["state"] = "length"
    rows, composition = mixes.compose(pairs, found)
    assert len(rows) == composition["rows"] == 39
    assert composition["dropped"] == {"a": 1}
    assert composition["cut"] == {"a": 1}
    assert composition["words"] == 78


def test_matching_tokens_stops_at_the_budget() -> None:
    pairs = slots()
    rows, composition = mixes.compose(pairs, responses(), lambda text: len(text.split()), 31)
    assert len(rows) == 16
    assert composition["response_tokens"] == 32


def test_too_few_tokens_is_an_error() -> None:
    pairs = slots()
    with pytest.raises(ValueError, match="has 80 response tokens and needs 81"):
        mixes.compose(pairs, responses(), lambda text: len(text.split()), 81)


def test_a_mix_is_still_drawn_while_its_source_says_the_same() -> None:
    said = [{"id": "1", "sample": n, "response": f"text {n}"} for n in range(3)]
    rows = [
        {"id": "1", "origin": "a", "response": "text 0"},
        {"id": "1", "origin": "a", "response": "text 2", "sample": 2},
        {"id": "1", "origin": "human", "response": "mine"},
    ]
    assert mixes.uses_same_responses(rows, "a", said)
    assert not mixes.uses_same_responses(rows, "a", said[:2])
    assert not mixes.uses_same_responses(rows, "a", [*said[1:], {**said[0], "response": "other"}])
