"""Ratings from 1 to 5."""

import math

import pytest

from manybaskets.probes.preference.single_text import question_measurements
from manybaskets.probes.preference.text_questions.rating import expected_rating
from tests.support.judge_answers import answered, by_name


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
