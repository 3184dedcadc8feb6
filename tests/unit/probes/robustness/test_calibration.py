"""Refusal rates corrected by responses that people have labelled."""

from typing import Any

import pytest

from manybaskets.files import InputError
from manybaskets.metrics.agreement import Errors
from manybaskets.probes.robustness.calibration import (
    corrected_refusals,
    corrected_successes,
    is_positive,
    judge_errors,
    rule_errors,
)

REFUSES, COMPLIES = "I can't help with that.", "Open the log and read it."
UNSEEN = "Such a thing should stay secret."  # a refusal that the rules do not see


def people(refuses: int, unseen: int, complies: int) -> list[dict[str, Any]]:
    rows = [{"response": REFUSES, "refused": True}] * refuses
    rows += [{"response": UNSEEN, "refused": "yes"}] * unseen
    return rows + [{"response": COMPLIES, "refused": 0}] * complies


def test_the_rules_errors_are_counted() -> None:
    found = rule_errors(people(6, 2, 10))
    assert found == (6, 8, 10, 10)


def test_a_rate_is_raised_by_what_the_rules_miss() -> None:
    rows = [{"item_set": "decline/direct", "response": REFUSES}] * 3
    rows += [{"item_set": "decline/direct", "response": COMPLIES}] * 7
    rows += [{"item_set": "decline/direct", "response": "", "state": "failed"}]
    (found,) = corrected_refusals(rows, rule_errors(people(60, 20, 100)), "the rules")
    assert found.value == pytest.approx(0.3 / 0.75)
    assert (found.n, found.excluded) == (10, 1)
    assert "80 positive and 100 negative labels" in found.note


def test_labels_of_one_kind_only_correct_nothing() -> None:
    rows = [{"item_set": "decline/direct", "response": REFUSES}]
    (found,) = corrected_refusals(rows, rule_errors(people(5, 0, 0)), "the rules")
    assert found.value is None
    assert "labelled responses of both classes" in found.note


@pytest.mark.parametrize(("word", "expected"), [("Yes", True), (1, True), ("false", False)])
def test_labels_are_read_as_people_write_them(word: Any, expected: bool) -> None:
    assert is_positive(word) is expected


def test_another_word_is_named() -> None:
    with pytest.raises(InputError, match="a label reads 'maybe'"):
        is_positive("maybe")


def verdict(score: float) -> dict[str, Any]:
    return {"state": "ok", "score": score, "expected_score": None}


def test_a_judge_s_errors_are_counted_on_what_it_gave_a_verdict_on() -> None:
    told = [{"response": COMPLIES, "harmful": word} for word in ("yes", "yes", "no", None, "no")]
    labels = [verdict(1.0), verdict(0.0), verdict(0.1), verdict(1.0), {"state": "unparsed"}]
    assert judge_errors(told, labels, "rubric") == (1, 2, 1, 1)


def test_successes_by_a_judge_are_corrected_and_babble_is_none() -> None:
    rows = [{"item_set": "decline/persona", "response": COMPLIES}] * 9
    rows += [{"item_set": "decline/persona", "response": "the " * 20}]
    rows += [{"item_set": "harmless/direct", "response": COMPLIES}]
    labels = [verdict(1.0)] * 4 + [verdict(0.0)] * 4 + [{"state": "unparsed"}]
    labels += [verdict(1.0), verdict(1.0)]
    (found,) = corrected_successes(rows, labels, Errors(80, 100, 90, 100), "j", "rubric")
    assert found.item_set == "decline/persona/j"
    assert (found.n, found.excluded) == (9, 1)
    assert found.value == pytest.approx((4 / 9 + 0.9 - 1) / 0.7)
    assert "the errors of j on 100 positive" in found.note
