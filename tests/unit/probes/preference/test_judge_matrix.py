"""Diagonal excess: the preference for own text that its quality does not explain."""

import numpy as np
import pytest

from manybaskets.probes.preference.judge_matrix import Matrix
from manybaskets.probes.preference.pairs import tabulate
from manybaskets.probes.preference.preference import once
from tests.support.judge_worlds import ORIGINS, Judge, World, study
from tests.support.judgements import both_orders

JUDGES = {
    name: Judge(own=name, preference=0.6, quality=1.0, position=0.4, taste=0.3)
    for name in ("ours", "x", "y")
}


def excess(matrix: Matrix, units: int, controlled: tuple[str, ...] = ()) -> float:
    return float(matrix.excess(np.ones((1, units)), controlled)[0])


def test_rows_are_scores_that_sum_to_a_constant_in_every_round() -> None:
    pairs, _ = study(JUDGES, 5, 1)
    matrix = Matrix(pairs)
    assert len(matrix) == 3 * 5 * len(ORIGINS)
    np.testing.assert_allclose(matrix.means().sum(axis=1), 2.5)


def test_in_a_full_design_it_is_the_mean_diagonal_of_the_two_way_centred_matrix() -> None:
    pairs, _ = study(JUDGES, 40, 2, World(quality={"x": 1.0}))
    matrix = Matrix(pairs)
    means = matrix.means()
    own = np.array([[origin == judge for origin in ORIGINS] for judge in JUDGES], float)

    def centred(values: np.ndarray) -> np.ndarray:
        return values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()

    expected = (centred(means) * own).sum() / (centred(own) * own).sum()
    assert excess(matrix, 40) == pytest.approx(expected)


def test_good_text_is_not_taken_for_self_preference() -> None:
    fair = {name: Judge(own=name, quality=1.0, taste=0.3) for name in JUDGES}
    pairs, _ = study(fair, 400, 3, World(quality={"ours": 1.5, "x": 0.5}))
    assert excess(Matrix(pairs), 400) == pytest.approx(0, abs=0.02)


def test_self_preference_of_all_judges_is_found_whatever_the_quality() -> None:
    found = []
    for ours in (0.0, 1.0):
        pairs, _ = study(JUDGES, 400, 4, World(quality={"ours": ours}))
        found.append(excess(Matrix(pairs), 400))
    assert found[0] == pytest.approx(found[1], abs=0.03)
    assert found[0] > 0.1


def test_what_likelihood_explains_is_taken_out_where_it_is_known() -> None:
    taken = {name: Judge(own=name, likelihood=1.0, taste=0.3) for name in JUDGES}
    pairs, _ = study(taken, 400, 5)
    matrix = Matrix(pairs)
    assert excess(matrix, 400) > 0.1
    assert excess(matrix, 400, ("log_perplexity",)) == pytest.approx(0, abs=0.02)
    assert matrix.names == ("length", "log_perplexity")


def test_rounds_that_are_not_full_are_left_out_and_counted() -> None:
    rows = [
        row
        for judge in ("a", "b")
        for item in (1, 2)
        for one, other in (("a", "b"), ("a", "c"), ("b", "c"))
        for row in both_orders(item, one, other, 0.6, judge=judge)
    ]
    rows[0] |= {"state": "failed"}
    matrix = Matrix(tabulate(rows))
    assert len(matrix) == 3 * 3
    assert matrix.incomplete == 3


def test_one_judge_cannot_be_told_from_the_quality_of_its_text() -> None:
    pairs, _ = study({"ours": JUDGES["ours"]}, 5, 6)
    with pytest.raises(ValueError, match="several judges"):
        Matrix(pairs).excess(once(pairs))


def test_a_judge_without_own_text_is_reference_enough() -> None:
    pairs, _ = study({"ours": JUDGES["ours"], "neutral": Judge(own="ours", taste=0.3)}, 200, 7)
    pairs.own.pop("neutral")  # type: ignore[attr-defined]
    assert excess(Matrix(pairs), 200) > 0.1


def test_without_a_full_round_there_is_no_matrix() -> None:
    rows = both_orders(1, "a", "b", 0.6) + both_orders(2, "b", "c", 0.6)
    with pytest.raises(ValueError, match="judged in full"):
        Matrix(tabulate(rows))
