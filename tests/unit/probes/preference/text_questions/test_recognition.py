"""Recognition of the judge's own text."""

import pytest

from manybaskets.probes.preference.single_text import question_measurements
from tests.support.judge_answers import answered, by_name


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
    # own before x on item 1, a tie on item 2; human text does not compete
    assert found["self_recognition", "own"].value == 0.75
    assert found["self_recognition", "own"].n == 2
    assert found["recognition_mass", "texts"].n == 5
