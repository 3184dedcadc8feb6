"""Judgements of single texts: likelihood, ratings, and recognition of own text."""

import math
from typing import Any

import pytest

from manybaskets.probes.preference.single_text import likelihood_pairs, question_measurements
from tests.support.judge_answers import answered, by_name


def likelihood(item: int, origin: str, nats: float, bytes: int = 10) -> dict[str, Any]:
    told = {"question": "likelihood", "state": "ok", "item": item, "candidate": origin}
    return {**told, "nats": nats, "bytes": bytes, "tokens": 3, "reason": ""}


LIKELIHOODS = [
    *(likelihood(1, origin, nats) for origin, nats in (("own", 5), ("x", 8), ("human", 20))),
    *(likelihood(2, origin, nats) for origin, nats in (("own", 9), ("x", 8), ("human", 8))),
]


def test_the_more_probable_text_per_byte_is_preferred_by_likelihood() -> None:
    rows = [likelihood(1, "long", 30, 100), likelihood(1, "short", 5, 10)]
    pairs = likelihood_pairs(rows)
    assert pairs.towards("long").preference.tolist() == [1.0]


def test_likelihood_preferences_are_scores_that_sum_to_half_of_the_origins() -> None:
    found = by_name(question_measurements(LIKELIHOODS, "own", "human"))
    scores = {o: found["likelihood_preference", o].value for o in ("own", "x", "human")}
    assert scores == {"own": 0.5, "x": (0.5 + 0.75) / 2, "human": (0 + 0.25) / 2 + 0.25}
    assert sum(filter(None, scores.values())) == pytest.approx(1.5)
    assert found["likelihood_bias", "own"].value == pytest.approx(0.5 - 0.625)
    bits = found["candidate_bits_per_byte", "own"].value
    assert bits == pytest.approx(14 / 20 / math.log(2))


def test_identical_and_failed_texts_are_left_out_of_likelihood_preferences_and_counted() -> None:
    pair = {"question": "pair", "item": 1, "first": "x", "second": "own", "state": "identical"}
    failed = {**likelihood(2, "x", 0), "nats": None, "state": "too_long", "reason": "long"}
    rows = [pair, *LIKELIHOODS[:4], failed, LIKELIHOODS[5]]
    found = by_name(question_measurements(rows, "own", "human"))
    assert found["likelihood_preference", "own"].value is None
    assert found["candidate_bits_per_byte", "x"].excluded == 1
    assert found["likelihood_bias", "own"].value is None
    assert "'own' and 'x'" in found["likelihood_bias", "own"].note
    assert found["likelihood_bias", "own"].note.endswith("1 identical, 2 too long")


def test_a_judge_without_own_text_has_no_self_measures_but_the_others() -> None:
    rows = [*LIKELIHOODS, answered("recognition", 1, "x", 0.5, 0.5)]
    found = by_name(question_measurements(rows, None, "human"))
    assert found["likelihood_bias", "own"].value is None
    assert found["self_recognition", "own"].value is None
    assert found["likelihood_preference", "x"].value is not None


def test_questions_without_answers_are_not_measured() -> None:
    assert question_measurements([], "own", "human") == []
