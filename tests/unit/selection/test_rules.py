"""Selection: which rows pass each rule, how many are taken, and their position in the mix."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manybaskets.selection import rules
from manybaskets.selection.rules import Rule, TooFewError
from tests.support.pool_rows import scored_pool as pool
from tests.support.pool_rows import scored_row as row

HUMAN = "human"


def test_rows_without_a_score_never_pass() -> None:
    rows = [row(p, s, None if s else 0.1) for p in range(10) for s in range(2)]
    for rule in (Rule("top", 1.0), Rule("best-of", 2), Rule("threshold", -1.0)):
        passed = rules.passes(rule, rows, 1)
        assert passed == [r["score"] is not None for r in rows]


def test_every_origin_is_selected_from_by_itself() -> None:
    rows = [*pool(20), *({**r, "score": r["score"] - 10} for r in pool(20, origin="b"))]
    passed = rules.passes(Rule("top", 0.5), rows, 1)
    assert sum(passed[:20]) == sum(passed[20:]) == 10


def test_noise_keeps_right_and_wrong_rows_at_its_rates() -> None:
    rows = rules.decide(pool(4000), 0.5, {"keep_right": 0.9, "keep_wrong": 0.2}, 1)
    right = [r["accepted"] for r, clean in zip(rows, pool(4000), strict=True) if clean["accepted"]]
    wrong = [
        r["accepted"] for r, clean in zip(rows, pool(4000), strict=True) if not clean["accepted"]
    ]
    assert sum(right) / len(right) == pytest.approx(0.9, abs=0.025)
    assert sum(wrong) / len(wrong) == pytest.approx(0.2, abs=0.035)
    assert all(r["score"] == float(r["accepted"]) for r in rows)


def test_without_noise_acceptance_is_the_score() -> None:
    rows = rules.decide(pool(20), 0.25, None, 1)
    assert [r["accepted"] for r in rows] == [r["score"] >= 0.25 for r in rows]
    assert not any(r["accepted"] for r in rules.decide(pool(20), None, None, 1))


def test_as_many_rows_are_taken_as_the_origin_has_usable_prompts() -> None:
    rows = pool(20, 4)
    for r in rows[:4]:
        r["state"] = "empty"
    taken = rules.take(rows, [r["state"] == "ok" for r in rows], "error", 1)
    assert len(taken) == 19
    assert len({(r["id"], r["sample"]) for r in taken}) == 19


def test_too_few_rows_are_told_with_numbers_reason_and_mend() -> None:
    rows = [*pool(9), row(9, 0, None, reason="the score is nan")]
    with pytest.raises(TooFewError) as caught:
        rules.take(rows, [r["score"] == 0 for r in rows], "error", 1, "mixes.best")
    said = str(caught.value)
    assert said.startswith("mixes.best: 1 of 10 responses of 'a' pass, and 10 rows are needed")
    assert "1 have no score, most of them: the score is nan" in said
    assert "select.samples" in said
    assert "select.on_shortfall" in said


def test_a_verifier_that_rejects_everything_is_told_whatever_short_says() -> None:
    for short in ("error", "fewer", "repeat"):
        with pytest.raises(TooFewError, match="0 of 5 responses"):
            rules.take(pool(5), [False] * 5, short, 1)


def test_short_selections_can_be_fewer_or_repeat() -> None:
    rows = pool(10)
    passed = [place < 3 for place in range(10)]
    assert rules.take(rows, passed, "fewer", 1) == rows[:3]
    repeated = rules.take(rows, passed, "repeat", 1)
    counts = Counter(r["id"] for r in repeated)
    assert sorted(counts.values()) == [3, 3, 4]
    assert set(counts) == {r["id"] for r in rows[:3]}


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 5))
def test_a_filled_mix_has_what_was_taken_and_nothing_twice(
    prompts: int, samples: int, seed: int
) -> None:
    rows = pool(prompts, samples)
    taken = rules.take(rows, rules.passes(Rule("top", 1.0), rows, seed), "error", seed)
    assigned = [(f"{p:03d}", "a") for p in range(prompts)]
    filled = rules.fill([*assigned, ("h", HUMAN)], taken, HUMAN, seed)
    assert filled[-1] == ("h", HUMAN, 0)
    wanted = Counter((r["id"], "a", r["sample"]) for r in taken)
    assert Counter(filled[:-1]) == wanted


def test_a_slot_gets_a_response_to_its_own_prompt_where_there_is_one() -> None:
    assigned = [("002", "a"), ("000", "a"), ("001", "a"), ("000", HUMAN)]
    taken = [row(0, 1, 0.9), row(2, 0, 0.8), row(2, 1, 0.7)]
    assert rules.fill(assigned, taken, HUMAN, 1) == [
        ("002", "a", 0),
        ("000", "a", 1),
        ("002", "a", 1),
        ("000", HUMAN, 0),
    ]


def test_slots_that_nothing_is_left_for_are_left_out() -> None:
    assigned = [("000", "a"), ("001", "a"), ("000", HUMAN)]
    assert rules.fill(assigned, [row(1, 0, 0.5)], HUMAN, 1) == [
        ("001", "a", 0),
        ("000", HUMAN, 0),
    ]


def test_the_pool_is_every_sample_of_every_synthetic_slot() -> None:
    responses = {("a", f"{p}", s): {"id": f"{p}", "sample": s} for p in range(3) for s in range(2)}
    assigned = [("2", "a"), ("1", HUMAN), ("0", "a")]
    found = rules.pool(assigned, responses, 2, HUMAN)
    assert [(r["origin"], r["id"], r["sample"]) for r in found] == [
        *(("a", "2", 0), ("a", "2", 1), ("a", "0", 0), ("a", "0", 1)),
    ]
