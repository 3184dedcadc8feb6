"""Witten-Bell models: equal to a calculation by hand, and probabilities sum to one."""

import math

import pytest

from manybaskets.models.ngram_lm import Ngrams


def test_a_bigram_worked_by_hand() -> None:
    # a a b: unigrams a 2, b 1 (2 types of 3 tokens); after a: a 1, b 1.
    model = Ngrams([[0, 0, 1]], 2, vocabulary=4)
    unigram = (2 + 2 * 0.25) / (3 + 2)
    assert model.probability([0], 0) == pytest.approx((1 + 2 * unigram) / (2 + 2))


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("history", [[], [0], [0, 1], [3, 3], [1, 2, 0]])
def test_probabilities_sum_to_one(order: int, history: list[int]) -> None:
    model = Ngrams([[0, 1, 2, 0, 1], [2, 2, 0]], order, vocabulary=5)
    assert sum(model.probability(history, t) for t in range(5)) == pytest.approx(1.0)


def test_an_unseen_token_has_the_uniform_share() -> None:
    assert Ngrams([], 3, vocabulary=8).nats([1, 2]) == pytest.approx(2 * math.log(8))


def test_repetition_is_likely() -> None:
    model = Ngrams([[0, 1] * 50], 3, vocabulary=10)
    assert model.nats([0, 1, 0, 1]) < model.nats([1, 0, 0, 1])
