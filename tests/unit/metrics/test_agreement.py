"""Agreement of judges, and rates corrected for a judge's errors."""

import numpy as np
import pytest

from manybaskets.metrics.agreement import Errors, corrected_rate, errors, kappa


def table(a: int, b: int, c: int, d: int) -> tuple[list[bool], list[bool]]:
    """Both say yes a times, only the first b, only the second c, neither d times."""
    return [True] * (a + b) + [False] * (c + d), [True] * a + [False] * b + [True] * c + [False] * d


def test_kappa_of_a_textbook_table() -> None:
    found = kappa(*table(20, 5, 10, 15))  # observed 0.7, chance 0.5
    assert found.value == pytest.approx(0.4)
    assert found.n == 50


def test_kappa_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    one, other = table(31, 7, 3, 59)
    assert kappa(one, other).value == pytest.approx(cohen_kappa_score(one, other))


def test_kappa_is_one_with_full_agreement_and_zero_by_chance() -> None:
    assert kappa(*table(5, 0, 0, 7)).value == pytest.approx(1.0)
    assert kappa(*table(10, 10, 10, 10)).value == pytest.approx(0.0)


def test_kappa_is_not_defined_where_all_labels_are_one() -> None:
    assert kappa([True] * 5, [True] * 5) == (None, None, None, 5)
    assert kappa([], []) == (None, None, None, 0)


def test_kappa_s_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(1)
    share = np.array([0.4, 0.1, 0.05, 0.45])
    truth = kappa(*table(40, 10, 5, 45)).value
    assert truth is not None
    covered = 0
    for _ in range(500):
        found = kappa(*table(*rng.multinomial(150, share)))
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 500 <= 0.98


def test_errors_are_counted_by_what_people_say() -> None:
    found = errors([True, True, False, False, False], [True, False, False, False, True])
    assert found == (1, 2, 2, 3)
    assert (found.sensitivity, found.specificity) == (0.5, pytest.approx(2 / 3))


def test_a_perfect_judge_s_rate_stays_as_it_is() -> None:
    assert corrected_rate(30, 100, Errors(50, 50, 50, 50)).value == pytest.approx(0.3)


def test_rogan_and_gladen_s_formula() -> None:
    # (0.4 + 0.9 - 1) / (0.8 + 0.9 - 1)
    assert corrected_rate(40, 100, Errors(80, 100, 90, 100)).value == pytest.approx(0.3 / 0.7)


def test_a_corrected_rate_stays_inside_zero_and_one() -> None:
    assert corrected_rate(1, 100, Errors(80, 100, 90, 100)).value == 0.0


def test_fewer_labels_make_a_wider_interval() -> None:
    few, many = (corrected_rate(40, 100, Errors(8 * n, 10 * n, 9 * n, 10 * n)) for n in (1, 100))
    assert few.low is not None and few.high is not None
    assert many.low is not None and many.high is not None
    assert few.high - few.low > many.high - many.low


@pytest.mark.parametrize(
    ("judge", "reason"),
    [(Errors(0, 0, 5, 5), "responses of both classes"), (Errors(1, 10, 1, 10), "not better than")],
)
def test_a_judge_that_cannot_be_corrected_gives_a_reason(judge: Errors, reason: str) -> None:
    corrected = corrected_rate(40, 100, judge)
    assert corrected.value is None
    assert reason in corrected.note


def test_the_interval_covers_the_true_rate_with_the_uncertainty_of_the_correction() -> None:
    rng = np.random.default_rng(2)
    truth, sensitivity, specificity = 0.35, 0.85, 0.92
    covered = 0
    for run in range(300):
        judge = Errors(rng.binomial(40, sensitivity), 40, rng.binomial(60, specificity), 60)
        seen = truth * sensitivity + (1 - truth) * (1 - specificity)
        found = corrected_rate(rng.binomial(200, seen), 200, judge, seed=run)
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 300 <= 0.99
