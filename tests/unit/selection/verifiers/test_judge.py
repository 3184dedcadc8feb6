"""A judge's answers to a rubric."""

import math
from typing import Any

import pytest

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.selection.verifier import Score, ScoringJob
from manybaskets.selection.verifiers import judge
from manybaskets.serving.client import LabelReply, LabelRequest
from tests.support.pool_rows import job, row


def score(yes: float | None, no: float | None, state: Any = "ok") -> Score:
    answer = LabelReply("a|1|0", (yes, no), state, "it said no")
    return judge.from_replies([answer])(row(1))


def test_a_score_is_the_probability_of_the_first_label() -> None:
    assert score(math.log(0.6), math.log(0.2))[0] == pytest.approx(0.75)
    assert score(-2000.0, -1.0)[0] == pytest.approx(0, abs=1e-12)
    assert score(-1.0, None) == (1.0, "")
    assert score(None, -1.0) == (0.0, "")


def test_a_judge_that_gives_neither_label_or_fails_gives_no_score() -> None:
    assert score(None, None) == (None, "the judge gave neither label")
    assert score(None, None, "failed") == (None, "the judge: it said no")


def test_a_rubric_is_filled_with_texts_that_have_braces_of_their_own() -> None:
    text = judge.filled("Q: {prompt}\nA: {response} Yes?\n", row(1, "{prompt} {0}"))
    assert text == "Q: Ask {me}?\nA: {prompt} {0} Yes?"


def test_usable_rows_are_judged_by_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[LabelRequest] = []

    def answer(_: ScoringJob, requests: list[LabelRequest]) -> list[LabelReply]:
        sent.extend(requests)
        return [LabelReply(request.id, (0.0, None), "ok", "") for request in requests]

    monkeypatch.setattr(ScoringJob, "label_log_probs", answer)
    rows = [row(1), row(2, "", "failed")]
    rubric = {"rubric": "resources/judges/acceptable.txt", "labels": ["A", "B"]}
    assert judge.VERIFIER.scorer(job(rows, **rubric))(row(1)) == (1.0, "")
    (request,) = sent
    assert (request.id, request.labels) == ("a|1|0", ("A", "B"))


def test_a_rubric_without_the_response_is_a_problem() -> None:
    settings = Settings(by="judge", source="wren", rubric="README.md")
    ((key, text),) = judge.VERIFIER.problems(settings)
    assert key == "rubric"
    assert "needs {prompt} and, after it, {response}" in text
