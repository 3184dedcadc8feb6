"""Verifiers: what they score, what has no score and why."""

import math
from typing import Any

import pytest

from manybaskets.selection import verifiers
from manybaskets.serving.client import LabelReply


def row(number: int, response: str = "some words", state: str = "ok") -> dict[str, Any]:
    return {
        **{"origin": "a", "id": str(number), "sample": 0, "prompt": "Ask {me}?"},
        **{"response": response, "state": state, "reason": "" if state == "ok" else "why not"},
    }


def test_agreement_with_the_human_response() -> None:
    references = {"1": "some words", "2": "other things"}
    score = verifiers.by_reference(references, "rouge-1")
    assert score(row(1)) == (1.0, "")
    assert score(row(2)) == (0.0, "")
    assert score(row(3)) == (None, "the prompt has no human response")
    number = verifiers.by_reference(references, "answer")
    assert number(row(1, "72")) == (None, "the human response has no number")


def test_length_counts_words() -> None:
    assert verifiers.by_length(row(1, "three short words")) == (3.0, "")


def test_random_scores_are_uniform_and_belong_to_the_row_and_seed() -> None:
    scores = [verifiers.at_random(1)(row(i))[0] or 0.0 for i in range(2000)]
    assert scores[:5] == [verifiers.at_random(1)(row(i))[0] for i in range(5)]
    assert scores[:5] != [verifiers.at_random(2)(row(i))[0] for i in range(5)]
    assert sum(scores) / 2000 == pytest.approx(0.5, abs=0.03)
    assert sum(score < 0.25 for score in scores) / 2000 == pytest.approx(0.25, abs=0.03)


def test_unusable_responses_and_scores_that_are_no_numbers_have_none() -> None:
    values = iter([1.0, math.nan, math.inf])
    rows = verifiers.scored(
        [row(1), row(2), row(3), row(4, "", "empty")], lambda _: (next(values), "")
    )
    assert [r["score"] for r in rows] == [1.0, None, None, None]
    assert [r["reason"] for r in rows] == ["", "the score is nan", "the score is inf", "why not"]


def test_likelihood_is_looked_up_and_its_absence_explained() -> None:
    score = verifiers.by_likelihood({"a|1|0": -2.5})
    assert score(row(1)) == (-2.5, "")
    assert score(row(2)) == (None, "longer than the model's context")


def test_a_judge_s_score_is_the_probability_of_its_first_label() -> None:
    def reply(yes: float | None, no: float | None, state: Any = "ok") -> verifiers.Score:
        answer = LabelReply("a|1|0", (yes, no), state, "it said no")
        return verifiers.by_judge([answer])(row(1))

    assert reply(math.log(0.6), math.log(0.2))[0] == pytest.approx(0.75)
    assert reply(-2000.0, -1.0)[0] == pytest.approx(0, abs=1e-12)
    assert reply(-1.0, None) == (1.0, "")
    assert reply(None, -1.0) == (0.0, "")
    assert reply(None, None) == (None, "the judge gave neither label")
    assert reply(None, None, "failed") == (None, "the judge: it said no")


def test_a_rubric_is_filled_with_texts_that_have_braces_of_their_own() -> None:
    found = verifiers.filled("Q: {prompt}\nA: {response} Yes?\n", row(1, "{prompt} {0}"))
    assert found == "Q: Ask {me}?\nA: {prompt} {0} Yes?"


def test_only_usable_rows_are_judged() -> None:
    rows = [row(1), row(2, "", "failed")]
    (request,) = verifiers.label_requests(rows, "{prompt} {response}", ("A", "B"))
    assert (request.id, request.labels) == ("a|1|0", ("A", "B"))
