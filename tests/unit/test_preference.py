"""Preference: both orders, all pairs, and what is left out."""

import csv
import math
from itertools import combinations, permutations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from manybaskets.measurements import Measurement
from manybaskets.preference import (
    discernment,
    label_mass,
    pair_preferences,
    position_bias,
    preference_matrix,
    preference_measurements,
    preference_scores,
    self_preference_bias,
    synthetic_preference,
)

EGGS = Path(__file__).parents[2] / "../shared/data/eggs/exp3_pairwise_preference_8b.csv"


def judgement(item: int, first: str, second: str, p_first: float, **more: Any) -> dict[str, Any]:
    """A judgement that chooses the first with `p_first`; the two labels have the mass 0.8."""
    return {
        "item": item,
        "first": first,
        "second": second,
        "log_prob_first_label": math.log(0.8 * p_first) if p_first else -math.inf,
        "log_prob_second_label": math.log(0.8 * (1 - p_first)) if p_first < 1 else -math.inf,
        **more,
    }


def both_orders(item: int, one: str, other: str, p_one: float, **more: Any) -> list[dict[str, Any]]:
    """A judge without position bias who chooses `one` with `p_one`."""
    return [
        judgement(item, one, other, p_one, **more),
        judgement(item, other, one, 1 - p_one, **more),
    ]


def tournament(origins: str, items: int = 4) -> list[dict[str, Any]]:
    random = Random(1)
    return [
        judgement(item, first, second, random.uniform(0.05, 0.95))
        for item in range(items)
        for first, second in permutations(origins, 2)
    ]


def by_name(measurements: list[Measurement]) -> dict[tuple[str, str], Measurement]:
    return {(measurement.metric, measurement.item_set): measurement for measurement in measurements}


def test_preference_is_the_softmax_over_the_two_labels_averaged_over_both_orders() -> None:
    pairs = pair_preferences([judgement(1, "a", "b", 0.9), judgement(1, "b", "a", 0.6)])
    (pair,) = pairs.judged
    assert pair.preference == pytest.approx((0.9 + 0.4) / 2)
    assert pair.first == pytest.approx((0.9 + 0.6) / 2)
    assert pair.label_mass == pytest.approx(0.8)


def test_a_judge_who_always_takes_the_first_prefers_nobody() -> None:
    pairs = pair_preferences([judgement(1, "a", "b", 1.0), judgement(1, "b", "a", 1.0)])
    assert preference_scores(pairs) == {"a": 0.5, "b": 0.5}
    assert position_bias(pairs) == 0.5


def test_a_judge_without_position_bias_has_none_whatever_the_texts() -> None:
    pairs = pair_preferences(both_orders(1, "a", "b", 0.95) + both_orders(2, "a", "b", 0.2))
    assert position_bias(pairs) == pytest.approx(0)


def test_certain_judgements_do_not_overflow() -> None:
    rows = [
        {"item": 1, "first": "a", "second": "b"}
        | {"log_prob_first_label": -1e4, "log_prob_second_label": 0.0},
        {"item": 1, "first": "b", "second": "a"}
        | {"log_prob_first_label": 0.0, "log_prob_second_label": -1e4},
    ]
    (pair,) = pair_preferences(rows).judged
    assert (pair.preference, pair.first, pair.label_mass) == (0.0, 0.5, 1.0)


@pytest.mark.parametrize("origins", ["ab", "abc", "abcde"])
def test_the_scores_of_k_origins_sum_to_half_of_k(origins: str) -> None:
    scores = preference_scores(pair_preferences(tournament(origins)))
    assert sum(scores.values()) == pytest.approx(len(origins) / 2, abs=1e-12)


def test_the_scores_sum_to_half_of_k_even_with_items_left_out() -> None:
    rows = tournament("abcde")[7:-3]
    scores = preference_scores(pair_preferences(rows))
    assert sum(scores.values()) == pytest.approx(2.5, abs=1e-12)


def test_the_matrix_and_its_mirror_sum_to_one() -> None:
    origins, matrix = preference_matrix(pair_preferences(tournament("cab")))
    assert origins == ("a", "b", "c")
    assert np.isnan(np.diag(matrix)).all()
    off_diagonal = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose((matrix + matrix.T)[off_diagonal], 1)


def test_a_score_is_the_mean_of_its_row_of_the_matrix() -> None:
    pairs = pair_preferences(tournament("abcd"))
    _, matrix = preference_matrix(pairs)
    assert list(preference_scores(pairs).values()) == pytest.approx(np.nanmean(matrix, axis=1))


def test_the_order_of_the_judgements_makes_no_difference() -> None:
    rows = tournament("abcd")
    shuffled = Random(5).sample(rows, len(rows))
    assert preference_measurements(rows, "a", "d") == preference_measurements(shuffled, "a", "d")


def test_the_biases_are_differences_of_scores() -> None:
    scores = {"own": 0.8, "x": 0.5, "y": 0.3, "human": 0.4}
    assert self_preference_bias(scores, "own", "human") == pytest.approx(0.4)
    assert synthetic_preference(scores, "human") == pytest.approx((0.8 + 0.5 + 0.3) / 3 - 0.4)


@pytest.mark.parametrize(("own", "reason"), [("z", "not among"), ("human", "not among")])
def test_the_own_origin_must_be_a_judged_synthetic_one(own: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        self_preference_bias({"a": 0.5, "human": 0.5}, own, "human")


def test_a_bias_needs_something_to_compare_with() -> None:
    with pytest.raises(ValueError, match="no synthetic origin besides 'a'"):
        self_preference_bias({"a": 0.5, "human": 0.5}, "a", "human")
    with pytest.raises(ValueError, match="it takes 'human'"):
        synthetic_preference({"a": 0.5, "b": 0.5}, "human")


def test_a_pair_without_both_orders_is_left_out_and_counted() -> None:
    rows = [*both_orders(1, "a", "b", 0.9), judgement(2, "a", "b", 0.1)]
    pairs = pair_preferences(rows)
    assert len(pairs.judged) == 1
    assert pairs.incomplete == (("a", "b"),)


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "failed"},
        {"log_prob_first_label": None},
        {"log_prob_second_label": math.nan},
        {"log_prob_first_label": -math.inf, "log_prob_second_label": -math.inf},
    ],
)
def test_a_pair_that_failed_in_one_order_is_left_out_as_a_whole(broken: dict[str, Any]) -> None:
    one, other = both_orders(1, "a", "b", 0.9)
    pairs = pair_preferences([one, other | broken])
    assert (pairs.judged, pairs.incomplete) == ((), (("a", "b"),))


def test_identical_texts_are_dropped_and_counted() -> None:
    rows = both_orders(1, "a", "human", 0.9)
    rows += both_orders(2, "a", "human", 0.5, state="identical")
    preference = by_name(preference_measurements(rows, "a", "human"))["preference", "a"]
    assert preference.value == pytest.approx(0.9)
    assert (preference.n, preference.excluded) == (1, 1)
    assert preference.note == "1 identical"


def test_an_origin_is_not_compared_with_itself() -> None:
    with pytest.raises(ValueError, match="compared with itself"):
        pair_preferences([judgement(1, "a", "a", 0.5)])


def test_an_order_judged_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="judged twice"):
        pair_preferences([judgement(1, "a", "b", 0.5), judgement(1, "a", "b", 0.6)])


def test_label_mass_is_the_probability_of_the_two_labels_together() -> None:
    assert label_mass(pair_preferences(both_orders(1, "a", "b", 0.3))) == pytest.approx(0.8)


def test_discernment_counts_wins_and_half_of_ties() -> None:
    rows = [
        *both_orders(1, "human", "human elsewhere", 0.9),
        *both_orders(2, "human", "human elsewhere", 0.5),
        *both_orders(3, "human", "human elsewhere", 0.2),
        *both_orders(4, "human", "human elsewhere", 0.6),
    ]
    assert discernment(pair_preferences(rows), "human") == 2.5 / 4


def test_discernment_is_the_same_whichever_name_sorts_first() -> None:
    rows = both_orders(1, "human", "a wrong one", 0.9) + both_orders(2, "human", "a wrong one", 0.8)
    assert discernment(pair_preferences(rows), "human") == 1


def test_a_control_pair_must_hold_the_better_one() -> None:
    with pytest.raises(ValueError, match="must be 'human'"):
        discernment(pair_preferences(both_orders(1, "a", "b", 0.9)), "human")


def test_control_pairs_count_for_discernment_only() -> None:
    rows = both_orders(1, "a", "human", 0.9) + both_orders(1, "a", "b", 0.6)
    rows += both_orders(1, "b", "human", 0.7)
    controls = both_orders(1, "human", "mismatched", 0.8, control=True)
    alone = by_name(preference_measurements(rows, "a", "human"))
    beside = by_name(preference_measurements(rows + controls, "a", "human"))
    assert alone.pop(("discernment", "controls")).value is None
    assert beside.pop(("discernment", "controls")).value == 1
    assert alone == beside


def test_all_measurements_of_a_judge_are_there() -> None:
    measurements = by_name(preference_measurements(tournament("abcde"), "a", "e"))
    assert {name for name, _ in measurements} == {
        "preference",
        "self_preference_bias",
        "synthetic_preference",
        "position_bias",
        "label_mass",
        "discernment",
    }
    assert measurements["preference", "c"].n == 16
    assert measurements["self_preference_bias", "pairs"].n == 40


def test_what_is_not_defined_is_none_with_its_reason() -> None:
    empty = by_name(preference_measurements([], "a", "human"))
    assert {measurement.value for measurement in empty.values()} == {None}
    rows = [judgement(1, *two, 0.5) for two in combinations("abc", 2)]
    lacking = by_name(preference_measurements(rows, "a", "c"))
    assert lacking["preference", "a"].value is None
    assert lacking["preference", "a"].excluded == 2
    assert "could be judged in both orders" in lacking["preference", "a"].note


def test_the_recorded_preferences_of_the_eggs_study_give_its_recorded_biases() -> None:
    if not EGGS.is_file():
        pytest.skip("the recorded results are not on this machine")
    with EGGS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    for row in rows:
        scores = {name: float(row[name]) for name in ("llama", "qwen", "gemma", "falcon", "human")}
        assert sum(scores.values()) == pytest.approx(2.5, abs=1e-6)
        bias = self_preference_bias(scores, "llama", "human")
        assert bias == pytest.approx(float(row["SPB_derived"]), abs=1e-6)
        synthetic = synthetic_preference(scores, "human")
        assert synthetic == pytest.approx(float(row["PSB_derived"]), abs=1e-6)
