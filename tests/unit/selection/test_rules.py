"""Selection: which rows pass each rule, how many are taken, and where they stand in the mix."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manybaskets.selection import rules
from manybaskets.selection.rules import Rule, TooFewError

HUMAN = "human"


def row(prompt: int, sample: int, score: float | None, origin: str = "a", **more: Any) -> Any:
    return {
        **{"origin": origin, "id": f"{prompt:03d}", "sample": sample, "score": score},
        **{"prompt": "p", "response": f"{origin} {prompt} {sample}", "state": "ok", "reason": ""},
        **{"accepted": score is not None and score >= 0.5},
        **more,
    }


def pool(prompts: int, samples: int = 1, origin: str = "a") -> list[Any]:
    """Rows whose scores are all different and spread over [0, 1)."""
    count = prompts * samples
    return [
        row(p, s, ((p * samples + s) * 7919 % count) / count, origin)
        for p in range(prompts)
        for s in range(samples)
    ]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_top_keeps_the_best_share(share: float) -> None:
    rows = pool(40, 2)
    passed = rules.passes(Rule("top", share), rows, 1)
    kept = [r["score"] for r, ok in zip(rows, passed, strict=True) if ok]
    assert (
        sorted(kept, reverse=True)
        == sorted((r["score"] for r in rows), reverse=True)[: round(80 * share)]
    )


def test_ties_are_broken_by_draws_and_not_by_order() -> None:
    rows = [row(p, 0, 0.0) for p in range(200)]
    first, again, other = (rules.passes(Rule("top", 0.25), rows, seed) for seed in (1, 1, 2))
    assert sum(first) == sum(other) == 50
    assert first == again != other
    assert 10 < sum(first[:100]) < 40


def test_best_of_n_keeps_the_best_response_to_every_prompt() -> None:
    rows = pool(30, 4)
    passed = rules.passes(Rule("best-of", 4), rows, 1)
    for p in range(30):
        of_prompt = rows[4 * p : 4 * p + 4]
        kept = [r for r, ok in zip(of_prompt, passed[4 * p : 4 * p + 4], strict=True) if ok]
        assert kept == [max(of_prompt, key=lambda r: r["score"])]


def test_rows_without_a_score_never_pass() -> None:
    rows = [row(p, s, None if s else 0.1) for p in range(10) for s in range(2)]
    for rule in (Rule("top", 1.0), Rule("best-of", 2), Rule("threshold", -1.0)):
        passed = rules.passes(rule, rows, 1)
        assert passed == [r["score"] is not None for r in rows]


def test_correct_is_what_the_verifier_accepts_and_a_threshold_is_a_score() -> None:
    rows = pool(20)
    assert rules.passes(Rule("correct", 1), rows, 1) == [r["accepted"] for r in rows]
    assert rules.passes(Rule("threshold", 0.8), rows, 1) == [r["score"] >= 0.8 for r in rows]


def test_every_origin_is_selected_from_by_itself() -> None:
    rows = [*pool(20), *({**r, "score": r["score"] - 10} for r in pool(20, origin="b"))]
    passed = rules.passes(Rule("top", 0.5), rows, 1)
    assert sum(passed[:20]) == sum(passed[20:]) == 10


def test_held_out_decisions_use_a_cut_off_of_the_other_prompts() -> None:
    rows = pool(400, 2)
    held_out = rules.passes_held_out(Rule("top", 0.3), rows, 1)
    own = rules.passes(Rule("top", 0.3), rows, 1)
    assert held_out != own
    assert sum(held_out) == pytest.approx(sum(own), rel=0.1)
    same = rules.passes_held_out(Rule("threshold", 0.3), rows, 1)
    assert same == rules.passes(Rule("threshold", 0.3), rows, 1)


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
    taken = rules.take(rows, [r["state"] == "ok" for r in rows], "stop", 1)
    assert len(taken) == 19
    assert len({(r["id"], r["sample"]) for r in taken}) == 19


def test_too_few_rows_are_told_with_numbers_reason_and_mend() -> None:
    rows = [*pool(9), row(9, 0, None, reason="the score is nan")]
    with pytest.raises(TooFewError) as caught:
        rules.take(rows, [r["score"] == 0 for r in rows], "stop", 1, "mixes.best")
    said = str(caught.value)
    assert said.startswith("mixes.best: 1 of 10 responses of 'a' pass, and 10 rows are needed")
    assert "1 have no score, most of them: the score is nan" in said
    assert "select.samples" in said
    assert "select.short" in said


def test_a_verifier_that_rejects_everything_is_told_whatever_short_says() -> None:
    for short in ("stop", "fewer", "repeat"):
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
    taken = rules.take(rows, rules.passes(Rule("top", 1.0), rows, seed), "stop", seed)
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
