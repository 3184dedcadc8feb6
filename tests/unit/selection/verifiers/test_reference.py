"""Agreement with the human response."""

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.selection.verifiers.reference import VERIFIER
from tests.support.pool_rows import job, row

HUMAN = [{"id": "1", "response": "some words"}, {"id": "2", "response": "other things"}]


def test_a_score_is_the_agreement_with_the_human_response() -> None:
    score = VERIFIER.scorer(job([], HUMAN, metric="rouge-1"))
    assert score(row(1)) == (1.0, "")
    assert score(row(2)) == (0.0, "")
    assert score(row(3)) == (None, "the prompt has no human response")


def test_a_human_response_without_a_number_cannot_be_compared_by_its_number() -> None:
    score = VERIFIER.scorer(job([], HUMAN, metric="answer"))
    assert score(row(1, "72")) == (None, "the human response has no number")


def test_equal_numbers_are_accepted_and_rouge_only_ranks() -> None:
    assert Settings(by="reference", metric="answer").accepts_from == 1.0
    assert Settings(by="reference").accepts_from is None
