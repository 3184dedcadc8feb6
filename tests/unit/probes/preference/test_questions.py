"""The pairs that judges compare: both orders, the sample of pairs, and the record of each."""

from collections import Counter
from typing import Any

import pytest

from manybaskets.probes.preference import questions, text_questions
from manybaskets.probes.preference.pairs import excluded, tabulate
from manybaskets.serving.client import LabelReply
from manybaskets.serving.text_logprobs import TextReply

ITEMS = [
    {"id": str(i), "text": f"text {i}", "request": f"do {i}", "human": f"human {i}"}
    for i in range(4)
]
ANSWERS = {
    "a": [{"id": str(i), "response": f"a {i}"} for i in range(4)],
    "b": [{"id": str(i), "response": f"b {i}"} for i in range(4)],
}


def all_pairs(count: int, answers: dict[str, Any] = ANSWERS, **more: Any) -> list[questions.Pair]:
    return questions.pairs(questions.candidates_of(ITEMS, answers, count), **more)


def test_every_two_origins_are_compared_in_both_orders() -> None:
    pairs = all_pairs(2)
    assert len(pairs) == 2 * 3 * 2
    orders = {(p.first.origin, p.second.origin) for p in pairs}
    assert ("a", "human") in orders
    assert ("human", "a") in orders
    assert len({pair.id for pair in pairs}) == len(pairs)


def test_swapped_labels_double_the_pairs() -> None:
    pairs = all_pairs(2, swap_labels=True)
    assert len({pair.id for pair in pairs}) == len(pairs) == 2 * 3 * 2 * 2


def test_pairs_can_be_limited_to_those_with_the_judges_own_text() -> None:
    compared = {
        frozenset((p.first.origin, p.second.origin)) for p in all_pairs(2, own="a", budget="vs-own")
    }
    assert compared == {frozenset("ab"), frozenset(("a", "human"))}


def test_a_sample_has_the_same_number_of_pairs_per_item_and_all_pairs_equally_often() -> None:
    origins = ["human", "u", "v", "w", "x"]
    compared = [questions.origins_compared(origins, None, "sample 4", item) for item in range(10)]
    assert all(len(set(pairs)) == 4 for pairs in compared)
    assert set(Counter(pair for pairs in compared for pair in pairs).values()) == {4}


def test_a_sample_is_the_same_for_every_judge_and_no_larger_than_all() -> None:
    origins = ["human", "u", "v"]
    assert questions.origins_compared(origins, "u", "sample 2", 1) == (
        questions.origins_compared(origins[::-1], "v", "sample 2", 1)
    )
    assert len(questions.origins_compared(origins, None, "sample 99", 0)) == 3


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"id": "0", "response": " human 0\n"}, "identical"),
        ({"id": "0", "response": "", "state": "empty"}, "empty"),
        ({"id": "0", "response": " "}, "empty"),
        ({"id": "0", "response": "", "state": "failed"}, "failed"),
        ({"id": "9", "response": "of another item"}, "missing"),
        ({"id": "0", "response": "unfinished", "state": "length"}, "ok"),
    ],
)
def test_candidates_that_cannot_be_judged_are_recorded_with_their_state(
    row: dict[str, Any], state: str
) -> None:
    pairs = all_pairs(1, {"a": [row]})
    assert [pair.state for pair in pairs] == [state, state]


def test_no_bad_candidate_changes_a_denominator_silently() -> None:
    answers = {
        "a": [
            {"id": "0", "response": "a 0"},
            {"id": "1", "response": "human 1"},
            {"id": "2", "response": "", "state": "empty"},
        ]
    }
    pairs = all_pairs(4, answers)
    reply = {p.id: LabelReply(p.id, (-0.7, -0.7), "ok", "") for p in pairs if p.state == "ok"}
    table = tabulate(questions.pair_row(pair, reply.get(pair.id)) for pair in pairs)
    assert len(table) + len(table.dropped) == 4
    assert excluded(table.dropped) == "1 empty, 1 identical, 1 missing"


def test_controls_pair_the_text_of_an_item_with_that_of_another() -> None:
    controls = questions.controls(ITEMS, 2)
    assert [(c.item, c.first.origin, c.second.response) for c in controls] == [
        ("0", "human", "human 1"),
        ("0", "other-text", "human 0"),
        ("1", "human", "human 2"),
        ("1", "other-text", "human 1"),
    ]


def test_items_without_human_candidates_have_no_human_pairs_and_no_controls() -> None:
    items = [{**item, "human": None} for item in ITEMS]
    assert sorted(questions.candidates_of(items, ANSWERS, 4)) == ["a", "b"]
    assert questions.controls(items, 4) == []


def test_rows_of_instructions_become_items() -> None:
    (item,) = questions.items_of([{"id": "1", "prompt": "p", "response": "r", "stratum": "s"}])
    assert item == {"id": "1", "text": "p", "request": "p", "human": "r"}
    assert questions.items_of(ITEMS) == ITEMS


def test_right_and_wrong_are_decided_by_the_human_answer() -> None:
    items = [{**ITEMS[0], "human": "6 * 7 = 42\n#### 42"}, {**ITEMS[1], "human": "no number"}]
    answers = {"a": [{"id": "0", "response": "#### 41"}, {"id": "1", "response": "#### 1"}]}
    found = questions.candidates_of(items, answers, 2, "gsm8k")
    assert [one.correct for one in found["a"]] == [False, None]
    assert [one.correct for one in found["human"]] == [True, None]
    assert [one.correct for one in questions.candidates_of(items, answers, 2)["a"]] == [None, None]


def test_a_letter_that_is_missing_is_recorded_as_that() -> None:
    pair = all_pairs(1)[0]
    row = questions.pair_row(pair, LabelReply(pair.id, (-0.1, None), "ok", ""))
    assert row["state"] == "no_letter"
    assert "letter" in row["reason"]


def test_an_item_longer_than_the_context_is_recorded_as_that() -> None:
    pair = all_pairs(1)[0]
    row = questions.pair_row(pair, LabelReply(pair.id, (None, None), "too_long", "at most 512"))
    assert (row["state"], row["reason"]) == ("too_long", "at most 512")


def test_rows_carry_what_is_known_of_both_texts() -> None:
    pair = all_pairs(1)[0]
    likely = {pair.first.id: TextReply(pair.first.id, 6.0, 2, "ok", "")}
    row = questions.pair_row(pair, None, likelihoods=likely)
    assert (row["first_length"], row["first_log_perplexity"]) == (3, 2.0)
    assert (row["second_length"], row["second_log_perplexity"]) == (3, None)


def test_log_probabilities_go_with_the_texts_wherever_the_labels_stand() -> None:
    plain, swapped = all_pairs(1, swap_labels=True)[:2]
    said = (-0.1, -2.0)  # of the labels G and H
    rows = [
        questions.pair_row(p, LabelReply(p.id, said, "ok", ""), ("G", "H"))
        for p in (plain, swapped)
    ]
    assert [row["labels"] for row in rows] == [["G", "H"], ["H", "G"]]
    assert [row["log_prob_first_label"] for row in rows] == [-0.1, -2.0]


def test_the_judge_sees_the_text_the_labels_and_both_candidates_in_order() -> None:
    plain, swapped = all_pairs(1, swap_labels=True)[:2]
    template = "{text}|{first_label}: {first}|{second_label}: {second}|{label} or {other_label}?\n"
    a, b = plain.first.response, plain.second.response
    assert questions.pair_prompt(template, plain) == f"text 0|A: {a}|B: {b}|A or B?"
    assert questions.pair_prompt(template, swapped, ("G", "H")) == f"text 0|H: {a}|G: {b}|G or H?"


def test_braces_in_texts_are_text() -> None:
    answers = {"a": [{"id": "0", "response": "{first} {0}"}]}
    pair = all_pairs(1, answers)[0]
    assert "{first} {0}" in questions.pair_prompt("{text} {first} {second}", pair)
    candidate = questions.candidates_of(ITEMS, answers, 1)["a"][0]
    assert questions.candidate_prompt("{text}: {candidate}", candidate) == "text 0: {first} {0}"


def test_as_many_labels_as_a_question_allows_may_be_missing_from_an_answer() -> None:
    candidate = questions.candidates_of(ITEMS, ANSWERS, 1)["a"][0]

    def state(name: str, *log_probs: float | None) -> str:
        reply = LabelReply(candidate.id, log_probs, "ok", "")
        may_lack = text_questions.question(name).may_lack
        return str(questions.candidate_row(name, may_lack, candidate, reply)["state"])

    assert state("rating", None, None, None, -0.1, None) == "ok"
    assert state("rating", None, None, None, None, None) == "no_letter"
    assert state("recognition", -0.1, None) == "no_letter"


@pytest.mark.parametrize("budget", ["all", "vs-own", "sample 2"])
@pytest.mark.parametrize("swap", [False, True])
def test_judgements_are_counted_as_they_are_asked(budget: str, swap: bool) -> None:
    settings = {
        "items": 3,
        "control_pairs": 2,
        "pairs": budget,
        "swap_labels": swap,
        "questions": ["likelihood", "rating"],
    }
    candidates = questions.candidates_of(ITEMS, ANSWERS, 3)
    asked = questions.pairs(candidates, "a", budget, swap) + questions.controls(ITEMS, 2, swap)
    single = 2 * sum(map(len, candidates.values()))
    assert questions.count_asked(settings, list(candidates), "a") == len(asked) + single


def test_a_text_of_which_the_likelihood_is_not_known_is_recorded_with_the_reason() -> None:
    candidate = questions.candidates_of(ITEMS, ANSWERS, 1)["a"][0]
    reply = TextReply(candidate.id, None, 0, "too_long", "at most 512")
    row = questions.likelihood_row(candidate, reply)
    assert (row["state"], row["reason"], row["nats"]) == ("too_long", "at most 512", None)
    known = questions.likelihood_row(candidate, TextReply(candidate.id, 2.5, 2, "ok", ""))
    assert (known["nats"], known["tokens"], known["bytes"]) == (2.5, 2, 3)
