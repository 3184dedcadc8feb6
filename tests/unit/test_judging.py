"""Pairs for judges: all ordered pairs, identical and missing candidates recorded, controls."""

from manybaskets import judging
from manybaskets.client import LabelReply

ITEMS = [{"id": str(i), "text": f"text {i}", "human": f"human {i}"} for i in range(4)]
CANDIDATES = {
    "a": [{"id": str(i), "response": f"a {i}"} for i in range(4)],
    "b": [{"id": str(i), "response": f"b {i}"} for i in range(4)],
}


def test_every_two_origins_stand_in_both_orders() -> None:
    pairs = judging.pairs(ITEMS, CANDIDATES, 2)
    assert len(pairs) == 2 * 3 * 2
    orders = {(p.first, p.second) for p in pairs}
    assert ("a", "human") in orders
    assert ("human", "a") in orders
    assert len({pair.id for pair in pairs}) == len(pairs)


def test_identical_and_missing_candidates_are_recorded_not_asked() -> None:
    candidates = {
        "a": [{"id": "0", "response": "human 0"}, {"id": "1", "response": " ", "state": "empty"}],
    }
    states = [pair.state for pair in judging.pairs(ITEMS, candidates, 2)]
    assert states == ["identical", "identical", "failed", "failed"]


def test_controls_set_an_items_own_text_against_anothers() -> None:
    controls = judging.controls(ITEMS, 2)
    assert [(c.item, c.first, c.second_text) for c in controls] == [
        ("0", "human", "human 1"),
        ("0", "other-text", "human 0"),
        ("1", "human", "human 2"),
        ("1", "other-text", "human 1"),
    ]


def test_without_human_candidates_there_are_none_and_no_controls() -> None:
    items = [{**item, "human": None} for item in ITEMS]
    origins = {pair.first for pair in judging.pairs(items, CANDIDATES, 4)}
    assert origins == {"a", "b"}
    assert judging.controls(items, 4) == []


def test_a_letter_that_is_missing_makes_the_row_failed() -> None:
    pair = judging.pairs(ITEMS, CANDIDATES, 1)[0]
    row = judging.judgement(pair, LabelReply(pair.id, (-0.1, None), "ok", ""))
    assert row["state"] == "failed"
    assert "letter" in row["reason"]


def test_the_judge_sees_the_text_and_both_candidates_in_order() -> None:
    pair = judging.pairs(ITEMS, CANDIDATES, 1)[0]
    said = judging.prompt("{text}|{first}|{second}", pair)
    assert said == f"text 0|{pair.first_text}|{pair.second_text}"
