"""Preference: scores of origins, the Eggs study's biases, position, labels and discernment."""

import csv
import math
from itertools import combinations, permutations
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy.optimize import root

from manybaskets.paths import RESOURCES
from manybaskets.probes.preference import preference
from manybaskets.probes.preference.pairs import Pairs, tabulate
from manybaskets.probes.preference.preference import once
from tests.support.judgements import both_orders, judgement

ORIGINS = ("llama-8b", "qwen-7b", "gemma-9b", "falcon-10b", "human")


def tournament(origins: str, items: int = 4) -> list[dict[str, Any]]:
    random = Random(1)
    return [
        judgement(item, first, second, random.uniform(0.05, 0.95))
        for item in range(items)
        for first, second in permutations(origins, 2)
    ]


def scores(pairs: Pairs) -> dict[str, float]:
    return {o: float(s[0]) for o, s in preference.preference_scores(pairs, once(pairs)).items()}


def value(measure: Any, pairs: Pairs, **more: Any) -> float:
    return float(measure(pairs, once(pairs), **more)[0])


def test_a_judge_who_always_takes_the_first_prefers_nobody() -> None:
    pairs = tabulate([judgement(1, "a", "b", 1.0), judgement(1, "b", "a", 1.0)])
    assert scores(pairs) == {"a": 0.5, "b": 0.5}
    assert value(preference.position_bias, pairs) == 0.5


def test_a_judge_without_position_bias_has_none_whatever_the_texts() -> None:
    pairs = tabulate(both_orders(1, "a", "b", 0.95) + both_orders(2, "a", "b", 0.2))
    assert value(preference.position_bias, pairs) == pytest.approx(0)


@pytest.mark.parametrize("origins", ["ab", "abc", "abcde"])
def test_the_scores_of_k_origins_sum_to_half_of_k(origins: str) -> None:
    assert sum(scores(tabulate(tournament(origins))).values()) == pytest.approx(
        len(origins) / 2, abs=1e-12
    )


def test_the_scores_sum_to_half_of_k_even_with_items_left_out() -> None:
    found = scores(tabulate(tournament("abcde")[7:-3]))
    assert sum(found.values()) == pytest.approx(2.5, abs=1e-12)


def test_every_other_origin_has_the_same_weight_whatever_its_items() -> None:
    rows = both_orders(1, "a", "b", 0.9) + both_orders(2, "a", "b", 0.9)
    rows += both_orders(1, "a", "c", 0.3) + both_orders(1, "b", "c", 0.5)
    assert scores(tabulate(rows))["a"] == pytest.approx((0.9 + 0.3) / 2)


def test_weights_are_those_of_the_items() -> None:
    pairs = tabulate(both_orders(1, "a", "b", 0.9) + both_orders(2, "a", "b", 0.2))
    weights = np.array([[3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    found = preference.preference_scores(pairs, weights)["a"]
    assert found[:2] == pytest.approx([(3 * 0.9 + 0.2) / 4, 0.2])
    assert np.isnan(found[2])


def test_the_order_of_the_judgements_makes_no_difference() -> None:
    rows = tournament("abcd")
    shuffled = Random(5).sample(rows, len(rows))
    assert scores(tabulate(rows)) == scores(tabulate(shuffled))


def test_the_biases_are_differences_of_scores() -> None:
    found = {name: np.array([s]) for name, s in zip("oxyh", (0.8, 0.5, 0.3, 0.4), strict=True)}
    assert preference.self_preference_bias(found, "o", "h") == pytest.approx([0.4])
    assert preference.synthetic_preference(found, "h") == pytest.approx([1.6 / 3 - 0.4])


@pytest.mark.parametrize(("own", "reason"), [("z", "not among"), ("human", "not among")])
def test_the_own_origin_must_be_a_judged_synthetic_one(own: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        preference.self_preference_bias({"a": np.ones(1), "human": np.ones(1)}, own, "human")


def test_a_bias_needs_something_to_compare_with() -> None:
    two = {"a": np.ones(1), "human": np.ones(1)}
    with pytest.raises(ValueError, match="no synthetic origin besides 'a'"):
        preference.self_preference_bias(two, "a", "human")
    with pytest.raises(ValueError, match="it takes 'human'"):
        preference.synthetic_preference({"a": np.ones(1), "b": np.ones(1)}, "human")


def test_scores_that_would_rest_on_different_comparisons_are_refused() -> None:
    rows = both_orders(1, "a", "b", 0.9) + both_orders(1, "a", "c", 0.9)
    pairs = tabulate(rows + both_orders(1, "b", "c", 0.9, state="failed"))
    with pytest.raises(ValueError, match="no pair of 'b' and 'c'"):
        scores(pairs)


def test_label_bias_is_not_defined_where_labels_were_not_swapped() -> None:
    pairs = tabulate(both_orders(1, "a", "b", 0.9))
    with pytest.raises(ValueError, match="not swapped"):
        value(preference.label_bias, pairs)


def test_a_judge_who_always_answers_b_has_a_label_bias_and_no_position_bias() -> None:
    rows = [
        judgement(1, *texts, 0.1 if labels[0] == "A" else 0.9, labels=list(labels))
        for texts in (("a", "b"), ("b", "a"))
        for labels in (("A", "B"), ("B", "A"))
    ]
    pairs = tabulate(rows)
    assert value(preference.label_bias, pairs) == pytest.approx(-0.4)
    assert value(preference.position_bias, pairs) == pytest.approx(0)


def test_label_mass_is_the_probability_of_the_two_labels_together() -> None:
    assert value(preference.label_mass, tabulate(both_orders(1, "a", "b", 0.3))) == (
        pytest.approx(0.8)
    )


def test_discernment_of_controls_counts_wins_and_half_of_ties() -> None:
    rows = [
        *both_orders(1, "human", "human elsewhere", 0.9),
        *both_orders(2, "human", "human elsewhere", 0.5),
        *both_orders(3, "human", "human elsewhere", 0.2),
        *both_orders(4, "human", "human elsewhere", 0.6),
    ]
    pairs = tabulate(rows)
    assert value(preference.control_discernment, pairs, good="human") == pytest.approx(2.5 / 4)
    with pytest.raises(ValueError, match="no known better text"):
        value(preference.control_discernment, tabulate(both_orders(1, "a", "b", 0.9)), good="x")


def test_the_better_text_is_the_right_one_else_that_of_higher_quality() -> None:
    def facts(correct: tuple[float, float], quality: tuple[float, float]) -> dict[str, float]:
        return {
            "first_correct": correct[0],
            "second_correct": correct[1],
            "first_quality": quality[0],
            "second_quality": quality[1],
        }

    known = [((1.0, 0.0), (1.0, 5.0)), ((1.0, 1.0), (1.0, 5.0)), ((0.0, 0.0), (2.0, 2.0))]
    rows = []
    for item, sides in enumerate(known):
        one, other = both_orders(item, "a", "b", 0.6)
        rows += [one | facts(*sides), other | facts(*((b, a) for a, b in sides))]
    pairs = tabulate([*rows, *both_orders(9, "a", "b", 0.6)])
    assert preference.better(pairs).tolist() == [1, -1, 0, 0]
    assert value(preference.discernment, pairs) == 0.5


def test_discernment_is_not_defined_where_no_better_text_is_known() -> None:
    with pytest.raises(ValueError, match="of no pair"):
        value(preference.discernment, tabulate(both_orders(1, "a", "b", 0.6)))


@pytest.mark.parametrize(
    ("one_first", "other_first", "verdict"),
    [
        (0.9, 0.2, 1),  # both orders: a
        (0.2, 0.9, -1),  # both orders: b
        (0.9, 0.9, 0),  # always the first: opposite verdicts, a tie
        (0.5, 0.2, 1),  # a tie and a verdict
        (0.9, 0.5, 1),
        (0.5, 0.5, 0),
    ],
)
def test_verdicts_of_both_orders_are_brought_together(
    one_first: float, other_first: float, verdict: int
) -> None:
    pairs = tabulate([judgement(1, "a", "b", one_first), judgement(1, "b", "a", other_first)])
    assert preference.verdicts(pairs).tolist() == [verdict]
    assert value(preference.tie_rate, pairs) == float(verdict == 0)


def test_certainty_is_the_distance_from_one_half() -> None:
    pairs = tabulate(both_orders(1, "a", "b", 0.9) + both_orders(2, "a", "b", 0.3))
    assert value(preference.certainty, pairs) == pytest.approx(0.3)


def recorded_preferences() -> list[dict[str, float]]:
    """The mean preferences and the biases of four judges, as the Eggs study recorded them."""
    judges: dict[str, dict[str, float]] = {}
    with (RESOURCES / "reference/eggs.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["target"] == "8B" and row["probe"] == "preference" and row["metric"] != "rating":
                name = row["item_set"] if row["metric"] == "preference" else row["metric"]
                judges.setdefault(row["mix"], {})[name] = float(row["value"])
    return list(judges.values())


def test_the_recorded_preferences_of_the_eggs_study_give_its_recorded_biases() -> None:
    rows = recorded_preferences()
    assert len(rows) == 4
    for row in rows:
        recorded = {name: np.array(row[name]) for name in ORIGINS}
        assert sum(recorded.values()) == pytest.approx(2.5, abs=3e-6)
        bias = preference.self_preference_bias(recorded, "llama-8b", "human")
        assert bias == pytest.approx(row["self_preference_bias"], abs=3e-6)
        synthetic = preference.synthetic_preference(recorded, "human")
        assert synthetic == pytest.approx(row["synthetic_preference"], abs=3e-6)


def unmet(strength: Any, wanted: Any) -> Any:
    chosen = 1 / (1 + np.exp(strength[None, :] - strength[:, None])) - 0.5 * np.eye(5)
    return np.append((chosen.sum(axis=1) / 4 - wanted)[:4], strength.sum())


def test_judgements_with_the_recorded_scores_give_the_recorded_biases() -> None:
    """The same from rows: preferences of pairs that add up to the recorded scores."""
    for row in recorded_preferences():
        # Bradley-Terry strengths that add up to the recorded scores
        wanted = np.array([row[name] for name in ORIGINS])
        strength = root(unmet, np.zeros(5), (wanted,)).x
        rows = [
            pair
            for one, other in combinations(range(5), 2)
            for pair in both_orders(
                1,
                ORIGINS[one],
                ORIGINS[other],
                1 / (1 + math.exp(strength[other] - strength[one])),
            )
        ]
        found = preference.preference_scores(tabulate(rows), np.ones((1, 1)))
        for name in ORIGINS:
            assert found[name][0] == pytest.approx(row[name], abs=3e-6)
        bias = preference.self_preference_bias(found, "llama-8b", "human")[0]
        assert float(bias) == pytest.approx(row["self_preference_bias"], abs=1e-5)
        synthetic = preference.synthetic_preference(found, "human")[0]
        assert float(synthetic) == pytest.approx(row["synthetic_preference"], abs=1e-5)
