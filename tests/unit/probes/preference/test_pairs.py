"""The table of pairs: both orders, both forms of rows, and the reasons for omitted rows."""

import math
from typing import Any

import numpy as np
import pytest

from manybaskets.files import InputError
from manybaskets.probes.preference.pairs import excluded, tabulate
from tests.support.judgements import both_orders, judgement


def outside(
    item: Any, a: str, b: str, order: str, p_a: float | None, **more: Any
) -> dict[str, Any]:
    return {"item": item, "a": a, "b": b, "order": order, "p_a": p_a, **more}


def test_preference_is_the_softmax_over_the_two_labels_averaged_over_both_orders() -> None:
    pairs = tabulate([judgement(1, "a", "b", 0.9), judgement(1, "b", "a", 0.6)])
    assert pairs.preference == pytest.approx([(0.9 + 0.4) / 2])
    assert pairs.first == pytest.approx([(0.9 + 0.6) / 2])
    assert pairs.label_mass == pytest.approx([0.8])


def test_log_odds_of_both_orders_do_not_depend_on_position() -> None:
    def chosen(log_odds: float) -> float:
        return 1 / (1 + math.exp(-log_odds))

    pairs = tabulate(
        [judgement(1, "a", "b", chosen(0.7 + 2)), judgement(1, "b", "a", chosen(2 - 0.7))]
    )
    assert pairs.log_odds == pytest.approx([0.7])


def test_certain_judgements_do_not_overflow() -> None:
    said = {"log_prob_first_label": -1e4, "log_prob_second_label": 0.0}
    turned = {"log_prob_first_label": 0.0, "log_prob_second_label": -1e4}
    pairs = tabulate(
        [
            {"item": 1, "first": "a", "second": "b", **said},
            {"item": 1, "first": "b", "second": "a", **turned},
        ]
    )
    assert (pairs.preference[0], pairs.first[0], pairs.label_mass[0]) == (0.0, 0.5, 1.0)


def test_rows_of_others_say_the_same_as_rows_of_this_workflow() -> None:
    facts = {"length_a": 10, "length_b": 20, "correct_a": True, "correct_b": False}
    theirs = tabulate(
        [
            outside("q", "b", "a", "ab", 0.4, **facts),
            outside("q", "b", "a", "ba", 0.1, **facts),
        ]
    )
    ours = tabulate([judgement("q", "b", "a", 0.4), judgement("q", "a", "b", 0.9)])
    assert theirs.preference == pytest.approx(ours.preference)
    assert theirs.first == pytest.approx(ours.first)
    assert theirs.facts["length"].tolist() == [[20, 10]]
    assert theirs.facts["correct"].tolist() == [[0, 1]]
    assert np.isnan(theirs.label_mass).all()


def test_the_own_origin_is_the_one_named_or_called_like_the_judge() -> None:
    rows = both_orders(1, "a", "b", 0.5, judge="a") + both_orders(1, "a", "b", 0.5, judge="c")
    assert tabulate(rows).own == {"a": "a"}
    assert tabulate([{**row, "own": "b"} for row in rows]).own == {"a": "b", "c": "b"}


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"state": "failed"}, "failed"),
        ({"state": "too_long"}, "too long"),
        ({"log_prob_first_label": None}, "without a probability"),
        ({"log_prob_second_label": math.nan}, "without a probability"),
        (
            {"log_prob_first_label": -math.inf, "log_prob_second_label": -math.inf},
            "without a probability",
        ),
    ],
)
def test_a_pair_that_failed_in_one_order_is_left_out_with_its_reason(
    broken: dict[str, Any], reason: str
) -> None:
    one, other = both_orders(1, "a", "b", 0.9)
    pairs = tabulate([one, other | broken])
    assert len(pairs) == 0
    assert [(lost.one, lost.other, lost.reason) for lost in pairs.dropped] == [("a", "b", reason)]


def test_a_pair_without_both_orders_is_left_out_and_counted() -> None:
    pairs = tabulate([*both_orders(1, "a", "b", 0.9), judgement(2, "a", "b", 0.1)])
    assert len(pairs) == 1
    assert excluded(pairs.dropped) == "1 not in every order"


def test_identical_texts_are_dropped_and_counted_whatever_else_is_wrong() -> None:
    rows = both_orders(1, "a", "b", 0.9) + both_orders(2, "a", "b", 0.5, state="identical")
    rows += [judgement(3, "a", "b", 0.1, state="identical")]
    pairs = tabulate(rows)
    assert len(pairs) == 1
    assert excluded(pairs.dropped) == "2 identical"


def test_a_missing_probability_of_others_rows_is_left_out_not_taken_for_0() -> None:
    pairs = tabulate([outside(1, "a", "b", "ab", None), outside(1, "a", "b", "ba", 0.3)])
    assert excluded(pairs.dropped) == "1 without a probability"


def test_seeds_are_units_of_their_own() -> None:
    rows = [row for seed in (1, 2) for row in both_orders("q", "a", "b", 0.6, seed=seed)]
    pairs = tabulate(rows)
    assert len(pairs) == 2
    assert pairs.unit_item.tolist() == [0, 0]
    assert pairs.unit_seed.tolist() == [0, 1]


def test_swapped_labels_tell_the_bias_of_the_label_from_that_of_the_position() -> None:
    def rows(p: dict[tuple[str, str], float]) -> list[dict[str, Any]]:
        return [
            judgement(1, *texts, p[texts[0] + labels[0], ""], labels=list(labels))
            for texts in (("a", "b"), ("b", "a"))
            for labels in (("A", "B"), ("B", "A"))
        ]

    # the answer is always "A", wherever that label stands
    pairs = tabulate(rows({("aA", ""): 0.9, ("aB", ""): 0.1, ("bA", ""): 0.9, ("bB", ""): 0.1}))
    assert pairs.label == pytest.approx([0.9])
    assert pairs.first == pytest.approx([0.5])
    assert pairs.preference == pytest.approx([0.5])


def test_with_swapped_labels_a_pair_needs_both_placings_in_both_orders() -> None:
    rows = [
        judgement(item, *texts, 0.5, labels=list(labels))
        for item in (1, 2)
        for texts in (("a", "b"), ("b", "a"))
        for labels in (("A", "B"), ("B", "A"))
    ]
    pairs = tabulate(rows[:-1])
    assert len(pairs) == 1
    assert excluded(pairs.dropped) == "1 not in every order"


def test_rows_of_other_questions_and_control_pairs_are_kept_apart() -> None:
    rows = both_orders(1, "a", "b", 0.9) + both_orders(2, "a", "b", 0.9, control=True)
    rows += [{"item": 1, "question": "rating", "candidate": "a"}]
    assert len(tabulate(rows)) == 1
    assert len(tabulate(rows, control=True)) == 1


def test_turning_pairs_towards_an_origin_turns_all_that_is_known_of_them() -> None:
    more = {"first_length": 10.0, "second_length": 30.0}
    rows = [judgement(1, "a", "b", 0.9, **more), judgement(1, "b", "a", 0.6)]
    turned = tabulate(rows).towards("b")
    assert turned.preference == pytest.approx([1 - 0.65])
    assert turned.first == pytest.approx([0.75])
    assert turned.facts["length"].tolist() == [[30, 10]]
    assert turned.log_odds == pytest.approx(-tabulate(rows).log_odds)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"item": 1, "first": "a", "second": "a"}, "compared with itself"),
        ({"first": "a", "second": "b"}, "'item' is missing"),
        ({"item": 1, "a": "x", "b": "y", "order": "ab"}, "'p_a' is missing"),
        ({"item": 1, "a": "x", "b": "y", "order": "AB", "p_a": 0.5}, "order is 'AB'"),
        ({"item": 1, "a": "x", "b": "y", "order": "ab", "p_a": 1.5}, "p_a is 1.5"),
        (
            {"item": 1, "a": "x", "b": "y", "order": "ab", "p_a": 0.5, "length_a": "long"},
            "length_a: found 'long'",
        ),
    ],
)
def test_rows_that_cannot_be_understood_are_refused_by_place(
    row: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        tabulate([row], where="j.jsonl")
    assert str(refused.value).startswith("j.jsonl, row 1")


def test_an_order_judged_twice_is_refused() -> None:
    with pytest.raises(InputError, match="judged twice"):
        tabulate([judgement(1, "a", "b", 0.5), judgement(1, "a", "b", 0.6)])
