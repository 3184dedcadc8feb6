"""All measures of judges together: constructed judges are recovered, intervals cover the truth."""

from typing import Any

import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from tests.unit.constructed import JUDGE, PANEL, coverage

STUDIES = 200


def contradicting(covered: dict[tuple[str, str], int], studies: int) -> dict[Any, float]:
    """The shares that a coverage of 93 to 97 % cannot explain, at 1 %.

    Over 200 studies a share has a standard error of 1.5 %; tests.bench.coverage runs 1,000.
    """
    found = {}
    for key, count in covered.items():
        nearest = min(max(count / studies, 0.93), 0.97)
        if stats.binomtest(count, studies, nearest).pvalue < 0.01:
            found[key] = count / studies
    return found


@threadpool_limits.wrap(limits=1)
def test_nominal_intervals_of_a_judge_cover_its_true_values() -> None:
    covered = coverage({"j": JUDGE}, 100, STUDIES)
    assert len(covered) >= 21
    assert contradicting(covered, STUDIES) == {}
    assert sum(covered.values()) / len(covered) / STUDIES == pytest.approx(0.95, abs=0.02)


@threadpool_limits.wrap(limits=1)
def test_nominal_intervals_of_the_diagonal_excess_cover_its_true_values() -> None:
    covered = coverage(PANEL, 40, STUDIES)
    assert {metric for metric, _ in covered} == {"diagonal_excess", "diagonal_excess_controlled"}
    assert contradicting(covered, STUDIES) == {}
