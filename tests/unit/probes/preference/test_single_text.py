"""What judges say of single texts: likelihood, ratings, and whether they wrote them."""

import math
from typing import Any

import pytest

from manybaskets.metrics.measurement import Measurement
from manybaskets.probes.preference.single_text import (
    expected_rating,
    likelihood_pairs,
    question_measurements,
)


def by_name(measurements: list[Measurement]) -> dict[tuple[str, str], Measurement]:
    return {(measurement.metric, measurement.item_set): measurement for measurement in measurements}


def likelihood(item: int, origin: str, nats: float, bytes: int = 10) -> dict[str, Any]:
    told = {"question": "likelihood", "state": "ok", "item": item, "candidate": origin}
    return {**told, "nats": nats, "bytes": bytes, "tokens": 3, "reason": ""}


def answered(question: str, item: int, origin: str, *probabilities: float) -> dict[str, Any]:
    told = {"question": question, "state": "ok", "item": item, "candidate": origin, "reason": ""}
    return {**told, "log_probs": [math.log(p) for p in probabilities]}


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


def test_the_expected_rating_is_weighted_by_the_probabilities_of_the_scores() -> None:
    rating, outside = expected_rating([math.log(p) for p in (0.1, 0.1, 0.2, 0.3, 0.1)])
    assert rating == pytest.approx((0.1 + 0.2 + 0.6 + 1.2 + 0.5) / 0.8)
    assert outside == pytest.approx(0.2)
    assert expected_rating([None, None, None, math.log(0.5), None]) == (4.0, 0.5)
    with pytest.raises(ValueError, match="no score"):
        expected_rating([None] * 5)


def test_rating_bias_is_over_items_rated_in_full() -> None:
    high, low = (0.01, 0.01, 0.01, 0.01, 0.96), (0.96, 0.01, 0.01, 0.01, 0.01)
    rows = [
        answered("rating", 1, "own", *high),
        answered("rating", 1, "x", *low),
        answered("rating", 1, "human", *low),
        answered("rating", 2, "own", *low),
        {**answered("rating", 2, "x", *low), "state": "too_long", "reason": "too long"},
    ]
    found = by_name(question_measurements(rows, "own", "human"))
    assert found["rating_bias", "own"].value == pytest.approx(4 * 0.95, abs=1e-9)
    assert (found["rating_bias", "own"].n, found["rating_bias", "own"].excluded) == (1, 1)
    assert found["rating", "x"].excluded == 1
    assert found["rating_outside", "ratings"].value == pytest.approx(0, abs=1e-9)


def test_recognition_is_the_probability_of_yes_among_yes_and_no() -> None:
    rows = [
        answered("recognition", 1, "own", 0.6, 0.2),
        answered("recognition", 1, "x", 0.1, 0.1),
        answered("recognition", 2, "own", 0.3, 0.1),
        answered("recognition", 2, "x", 0.3, 0.1),
        answered("recognition", 2, "human", 0.3, 0.0001),
    ]
    found = by_name(question_measurements(rows, "own", "human"))
    assert found["recognition", "own"].value == pytest.approx(0.75)
    assert found["recognition", "x"].value == pytest.approx((0.5 + 0.75) / 2)
    # own before x on item 1, a tie on item 2; people are no competitor
    assert found["self_recognition", "own"].value == 0.75
    assert found["self_recognition", "own"].n == 2
    assert found["recognition_mass", "texts"].n == 5


def test_a_judge_without_own_text_has_no_self_measures_but_the_others() -> None:
    rows = [*LIKELIHOODS, answered("recognition", 1, "x", 0.5, 0.5)]
    found = by_name(question_measurements(rows, None, "human"))
    assert found["likelihood_bias", "own"].value is None
    assert found["self_recognition", "own"].value is None
    assert found["likelihood_preference", "x"].value is not None


def test_questions_that_were_not_asked_are_not_measured() -> None:
    assert question_measurements([], "own", "human") == []
