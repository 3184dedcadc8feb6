"""Regimes of self-consuming loops: origins of rows, and training sets of generations."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manybaskets.config.mixes import human_rows
from manybaskets.data import loops, mixes

Row = dict[str, Any]


def people(count: int) -> list[Row]:
    return [
        {"id": f"p{i}", "prompt": f"prompt {i}", "response": f"human {i}", "quarter": i % 4 + 1}
        for i in range(count)
    ]


def rows_of(origin: str, count: int) -> list[Row]:
    return [
        {"id": f"p{i}", "origin": origin, "prompt": f"prompt {i}", "response": f"{origin} {i}"}
        for i in range(count)
    ]


FIRST = rows_of("human", 12)
JOINED = [rows_of(loops.origin("wren", t), 12) for t in (1, 2, 3)]


def origins(rows: list[Row]) -> Counter[str]:
    return Counter(row["origin"] for row in rows)


def test_replacing_keeps_what_joined_last_and_nothing_else() -> None:
    found = loops.training_set("replace", FIRST, JOINED, 12, seed=1)
    assert origins(found) == {"wren@3": 12}
    assert sorted(row["id"] for row in found) == sorted(row["id"] for row in JOINED[2])


def test_accumulating_keeps_every_row_once() -> None:
    found = loops.training_set("accumulate", FIRST, JOINED, 12, seed=1)
    assert origins(found) == {"human": 12, "wren@1": 12, "wren@2": 12, "wren@3": 12}
    assert len({(row["origin"], row["id"]) for row in found}) == 48


def test_subsampling_draws_as_many_rows_as_a_mix_has_from_the_whole_pool() -> None:
    draws = [loops.training_set("accumulate-subsample", FIRST, JOINED, 12, seed=s) for s in (1, 2)]
    for found in draws:
        assert len(found) == 12
        assert len({(row["origin"], row["id"]) for row in found}) == 12
        assert len(origins(found)) > 1
    assert origins(draws[0]) != origins(draws[1]) or draws[0] != draws[1]


def test_subsampling_draws_every_row_equally_often() -> None:
    counts: Counter[str] = Counter()
    for seed in range(400):
        counts += origins(loops.training_set("accumulate-subsample", FIRST, JOINED, 12, seed=seed))
    expected = 400 * 12 / 4
    assert all(abs(count - expected) < 0.12 * expected for count in counts.values())


def test_a_pool_smaller_than_a_mix_is_taken_whole() -> None:
    found = loops.training_set("accumulate-subsample", FIRST[:3], [JOINED[0][:4]], 12, seed=1)
    assert len(found) == 7


def test_a_training_set_depends_on_its_seed_alone() -> None:
    again = [loops.training_set("accumulate", FIRST, JOINED, 12, seed=s) for s in (1, 1, 2)]
    assert again[0] == again[1]
    assert again[0] != again[2]


@given(
    human=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]),
    writers=st.integers(1, 3),
    generation=st.integers(2, 6),
)
def test_slots_hold_the_declared_shares_whatever_the_rest_of_the_division(
    human: float, writers: int, generation: int
) -> None:
    rows, train = 22, people(24)
    names = tuple(f"w{i}@{generation - 1}" for i in range(writers))
    joining = loops.Joining(generation, human, names)
    found = loops.slots(joining, rows, 1, train, train)
    counts = Counter(origin for _, origin in found)
    assert len(found) == rows
    assert counts["human"] == human_rows(human, rows)
    written = [counts[name] for name in names]
    assert max(written) - min(written) <= 1
    assert len({prompt for prompt, _ in found}) == rows


def test_every_generation_answers_the_prompts_of_the_first_and_deals_them_anew() -> None:
    train = people(40)
    first = {row["id"] for row in mixes.draw(train, 24, 1)}
    dealt = []
    for generation in (2, 3):
        joining = loops.Joining(generation, 0.25, (loops.origin("wren", generation - 1),))
        found = loops.slots(joining, 24, 1, train, train)
        assert {prompt for prompt, _ in found} == first
        dealt.append({prompt for prompt, origin in found if origin == "human"})
    assert dealt[0] != dealt[1]


def test_unseen_human_rows_are_never_seen_twice() -> None:
    train, rows = people(40), 20
    seen = {row["id"] for row in mixes.draw(train, rows, 1)}
    for generation in (2, 3, 4):
        joining = loops.Joining(
            generation, 0.3, (f"wren@{generation - 1}",), unseen=True, seen=6 * (generation - 2)
        )
        found = loops.slots(joining, rows, 1, train, train)
        new = {prompt for prompt, origin in found if origin == "human"}
        assert len(new) == 6
        assert not new & seen
        seen |= new
    with pytest.raises(ValueError, match=r"generation 5 needs 6 human rows .* and 2 are left"):
        loops.slots(loops.Joining(5, 0.3, ("wren@4",), unseen=True, seen=18), rows, 1, train, train)


def test_human_slots_of_other_people_s_prompts_take_rows_of_the_first_training_set() -> None:
    train = people(24)
    prompts = [{"id": f"q{i}", "prompt": f"other {i}", "quarter": i % 4 + 1} for i in range(24)]
    found = loops.slots(loops.Joining(2, 0.5, ("wren@1",)), 20, 1, train, prompts)
    drawn = {row["id"] for row in mixes.draw(train, 20, 1)}
    human = [prompt for prompt, origin in found if origin == "human"]
    assert len(human) == len(set(human)) == 10
    assert set(human) <= drawn
    assert all(prompt.startswith("q") for prompt, origin in found if origin == "wren@1")


def test_the_first_generation_is_trained_with_the_study_s_seed_and_each_other_with_its_own() -> (
    None
):
    seeds = [loops.training_seed(7, "wren", generation) for generation in (1, 2, 3)]
    assert seeds[0] == 7
    assert len({*seeds, loops.training_seed(7, "finch", 2), loops.training_seed(8, "wren", 2)}) == 5


def test_a_composition_counts_rows_by_origin() -> None:
    found = loops.composition([*FIRST[:2], *JOINED[0][:3]], {"wren@1": 4}, {})
    assert found["rows"] == 5
    assert found["origins"] == {"human": 2, "wren@1": 3}
    assert found["dropped"] == {"wren@1": 4}
    assert found["words"] == 10
