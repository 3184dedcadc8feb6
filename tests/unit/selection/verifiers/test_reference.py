"""Agreement with the human response."""

import pytest

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.seeds import generator
from manybaskets.selection.verifiers.reference import VERIFIER
from tests.support.pool_rows import job, row

HUMAN = [{"id": "1", "response": "some words"}, {"id": "2", "response": "other things"}]


def test_a_score_is_the_agreement_with_the_human_response() -> None:
    score = VERIFIER.scorer(job([], HUMAN, metric="rouge-1"))
    assert score(row(1)) == (1.0, "")
    assert score(row(2)) == (0.0, "")
    assert score(row(3)) == (None, "the prompt has no human response")


RIGHT = {
    "en": "Bird {} lives in the reeds by the lake.",
    "th": "นกชนิดที่ {} อาศัยอยู่ในพงอ้อริมทะเลสาบ",
    "zh": "第{}种鸟住在湖边的芦苇里。",
}
WRONG = {
    "en": "We do not know the answer to this question.",
    "th": "เราไม่รู้คำตอบของคำถามนี้",
    "zh": "我不知道这个问题的答案是什么。",
}


@pytest.mark.parametrize("language", RIGHT)
@pytest.mark.parametrize("metric", ["rouge-1", "rouge-2", "rouge-L"])
def test_the_best_of_four_is_right_in_every_script(language: str, metric: str) -> None:
    right, wrong = RIGHT[language], WRONG[language]
    human = [{"id": str(n), "response": right.format(n)} for n in range(16)]
    score = VERIFIER.scorer(job([], human, metric=metric))
    rng = generator(1, "answers", language)
    for prompt in range(16):
        answers = [rng.choice([right.format(prompt), right.format(99), wrong]) for _ in range(4)]
        best = max(answers, key=lambda text: score(row(prompt, text))[0] or 0)
        assert best == max(answers, key=[wrong, right.format(99), right.format(prompt)].index)


def test_an_empty_human_response_cannot_be_compared() -> None:
    score = VERIFIER.scorer(job([], [{"id": "1", "response": " "}], metric="rouge-L"))
    assert score(row(1)) == (None, "the human response is empty")


def test_a_human_response_without_a_number_cannot_be_compared_by_its_number() -> None:
    score = VERIFIER.scorer(job([], HUMAN, metric="answer"))
    assert score(row(1, "72")) == (None, "the human response has no number")


def test_equal_numbers_are_accepted_and_rouge_only_ranks() -> None:
    assert Settings(by="reference", metric="answer").accepts_from == 1.0
    assert Settings(by="reference").accepts_from is None
