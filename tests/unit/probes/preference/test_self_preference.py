"""Self-preference by each definition, on judgements small enough to count by hand."""

import math
from typing import Any

import numpy as np
import pytest

from manybaskets.probes.preference import self_preference
from manybaskets.probes.preference.pairs import Pairs, tabulate
from manybaskets.probes.preference.preference import once
from tests.support.judge_worlds import Judge, World, study
from tests.support.judgements import both_orders


def checked(
    item: int, one: str, other: str, p_one: float, correct: tuple[bool, bool]
) -> list[dict[str, Any]]:
    """A judge without position bias on two answers known to be right or wrong."""
    first, second = both_orders(item, one, other, p_one)
    return [
        first | {"first_correct": correct[0], "second_correct": correct[1]},
        second | {"first_correct": correct[1], "second_correct": correct[0]},
    ]


# own wrong: chosen, not chosen, tie; own right: chosen, chosen
EXAM = [
    *checked(1, "own", "x", 0.9, (False, True)),
    *checked(2, "own", "x", 0.2, (False, True)),
    *checked(3, "own", "x", 0.5, (False, False)),
    *checked(4, "own", "x", 0.8, (True, False)),
    *checked(5, "own", "x", 0.7, (True, True)),
]


def mine(rows: list[dict[str, Any]]) -> Pairs:
    return self_preference.own_pairs(tabulate(rows), "own", "human")


def value(measure: Any, pairs: Pairs, **more: Any) -> float:
    return float(measure(pairs, once(pairs), **more)[0])


def test_own_preference_is_the_mean_over_other_models_not_people() -> None:
    rows = both_orders(1, "own", "x", 0.9) + both_orders(1, "own", "y", 0.6)
    rows += both_orders(1, "own", "human", 0.1)
    assert value(self_preference.own_preference, mine(rows)) == pytest.approx(0.75)


def test_a_judge_whose_text_was_not_judged_has_no_own_pairs() -> None:
    with pytest.raises(ValueError, match="'own', the judge's own origin, is not"):
        mine(both_orders(1, "x", "y", 0.9))
    with pytest.raises(ValueError, match="counts"):
        mine(both_orders(1, "own", "y", 0.9, state="failed"))


def test_spr_counts_ties_in_the_denominator_but_not_as_votes() -> None:
    assert value(self_preference.self_preference_rate, mine(EXAM)) == pytest.approx(3 / 5)


def test_lspr_is_the_share_of_right_answers_among_votes_for_own() -> None:
    assert value(self_preference.legitimate_share, mine(EXAM)) == pytest.approx(2 / 3)


def test_hspp_is_the_share_of_votes_among_own_wrong_answers_ties_in_the_denominator() -> None:
    assert value(self_preference.harmful_rate, mine(EXAM)) == pytest.approx(1 / 3)


def test_without_wrong_own_answers_hspp_is_not_defined() -> None:
    with pytest.raises(ValueError, match="no own answer"):
        value(self_preference.harmful_rate, mine(checked(1, "own", "x", 0.9, (True, False))))


def test_equal_opportunity_bias_compares_equally_deserving_texts() -> None:
    # own better: 0.8; other better: the other is preferred with 0.1 and 0.8
    assert value(self_preference.equal_opportunity_bias, mine(EXAM)) == pytest.approx(0.8 - 0.45)


def test_equal_opportunity_bias_of_a_judge_who_always_knows_the_better_is_zero() -> None:
    rows = checked(1, "own", "x", 1.0, (True, False)) + checked(2, "own", "x", 0.0, (False, True))
    assert value(self_preference.equal_opportunity_bias, mine(rows)) == 0


def test_the_evaluator_quality_baseline_is_matched_on_item_and_right_answer() -> None:
    rows = [
        # item 1: own and x are wrong beside a right human answer; only own gets the vote
        *checked(1, "own", "human", 0.9, (False, True)),
        *checked(1, "x", "human", 0.1, (False, True)),
        # item 2: both get it
        *checked(2, "own", "human", 0.9, (False, True)),
        *checked(2, "x", "human", 0.8, (False, True)),
        # item 3: x is right, so there is nothing to match
        *checked(3, "own", "human", 0.9, (False, True)),
        *checked(3, "x", "human", 0.9, (True, True)),
    ]
    pairs = tabulate(rows)
    matched = self_preference.Matched(pairs, "own", "human")
    assert matched.count == 2
    assert matched.used.tolist() == [True, True, False]
    assert matched.baseline(once(pairs)) == pytest.approx([0.5])
    assert matched.excess(once(pairs)) == pytest.approx([0.5])


def test_a_judge_fooled_by_all_wrong_answers_has_no_excess() -> None:
    pairs, _ = study({"j": Judge(quality=-2.0, taste=0.1)}, 400, 1)
    matched = self_preference.Matched(pairs, "ours", "human")
    assert self_preference.harmful_rate(
        self_preference.own_pairs(pairs, "ours", "human"), once(pairs)
    ) == pytest.approx([0.7], abs=0.15)
    assert matched.excess(once(pairs)) == pytest.approx([0.0], abs=0.05)


def test_without_equally_wrong_answers_there_is_no_baseline() -> None:
    with pytest.raises(ValueError, match="no item has"):
        self_preference.Matched(
            tabulate(checked(1, "own", "x", 0.9, (False, True))), "own", "human"
        )


def test_self_log_odds_are_those_that_were_put_in_whatever_the_position_bias() -> None:
    judge = Judge(preference=0.8, position=2.0, quality=1.0, likelihood=0.6, taste=0.3)
    pairs, _ = study({"j": judge}, 800, 3, World(quality={"ours": 1.0}))
    own = self_preference.own_pairs(pairs, "ours", "human")
    names = ("quality", "log_perplexity")
    controlled = value(self_preference.self_log_odds, own, controlled=names)
    assert controlled == pytest.approx(0.8, abs=0.05)
    # without them, better and likelier text passes for self-preference
    assert value(self_preference.self_log_odds, own) > 2


def test_a_certain_judge_has_no_finite_log_odds() -> None:
    with pytest.raises(ValueError, match="certainty"):
        value(self_preference.self_log_odds, mine(both_orders(1, "own", "x", 1.0)))


def test_the_length_controlled_preference_is_that_of_texts_of_one_length() -> None:
    judge = Judge(preference=0.3, length=1.5, taste=0.3)
    pairs, equal = study({"j": judge}, 3000, 5, World(length={"ours": 0.4}))
    own = self_preference.own_pairs(pairs, "ours", "human")
    turned = np.where(pairs.origins.index("ours") == pairs.one, equal, 1 - equal)
    ours = pairs.origins.index("ours")
    of_models = ((pairs.one == ours) | (pairs.other == ours)) & (pairs.one != 0)
    truth = turned[of_models].mean()
    found = value(self_preference.length_controlled_preference, own)
    assert found == pytest.approx(truth, abs=0.015)
    assert value(self_preference.own_preference, own) > truth + 0.05


def test_the_logistic_fit_agrees_with_its_definition() -> None:
    generator = np.random.default_rng(0)
    design = np.column_stack([np.ones(200), generator.normal(size=200)])
    target = 1 / (1 + np.exp(-(0.4 - 1.2 * design[:, 1])))
    found = self_preference._logistic(design, target, np.ones((1, 200)))
    assert found[0] == pytest.approx([0.4, -1.2], abs=1e-3)
    weights = generator.integers(0, 3, (1, 200)).astype(float)
    assert self_preference._logistic(design, target, weights)[0] == pytest.approx(
        [0.4, -1.2], abs=1e-3
    )


def test_the_logistic_fit_stays_finite_where_texts_are_told_apart_perfectly() -> None:
    design = np.column_stack([np.ones(10), np.linspace(-1, 1, 10)])
    found = self_preference._logistic(design, (design[:, 1] > 0).astype(float), np.ones((1, 10)))
    assert np.isfinite(found).all() and found[0, 1] > 5


def test_covariates_are_those_known_of_every_pair_and_not_all_the_same() -> None:
    rows = both_orders(1, "own", "x", 0.6) + both_orders(2, "own", "x", 0.6)
    for n, row in enumerate(rows):
        row |= {"first_length": 3.0 + n // 2, "second_length": 3.0, "first_quality": 1.0}
    assert self_preference.covariates(mine(rows)) == ("length",)
    assert math.isnan(mine(rows).facts["quality"][0, 1])
