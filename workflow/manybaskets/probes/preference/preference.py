"""Preferences of a judge among texts of several origins, from pairs judged in both orders.

Preference, self-preference bias and synthetic-over-human preference as in "Synthetic Eggs in Many
Baskets" (arXiv 2511.01490, Experiment 3), with position bias, label bias and discernment as
checks of their validity. Every measure takes the pairs of one judge and weights of shape
(resamples, units), and returns an array of shape (resamples,); `bootstrap` computes intervals
from them.
"""

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from manybaskets.probes.preference.pairs import Pairs

Values = NDArray[np.float64]


def once(pairs: Pairs) -> Values:
    """Returns the weights of the sample itself: 1 for every unit; shape (1, units)."""
    return np.ones((1, len(pairs.unit_item)))


def mean(pairs: Pairs, values: Values, weights: Values) -> Values:
    """Returns the weighted mean of `values` of shape (pairs,); NaN where no pair has weight.

    Raises ValueError where there is no pair at all.
    """
    if not len(pairs):
        raise ValueError("there are no pairs judged in both orders")
    of_pair = weights[:, pairs.unit]
    with np.errstate(invalid="ignore"):
        weighted_mean: Values = (of_pair @ values) / of_pair.sum(axis=1)
    return weighted_mean


def preference_scores(pairs: Pairs, weights: Values) -> dict[str, Values]:
    """Returns each origin's preference S: the mean over items, both orders and all other origins.

    Eggs study, Experiment 3: P(A) / (P(A) + P(B)), here from probabilities before temperature and
    top-p (theirs are after). Every other origin has the same weight, whatever the number of its
    items that count, so that the scores of k origins always sum to k/2. Raises ValueError where
    two origins have no pair that counts, since the scores would then rest on different
    comparisons.
    """
    names = pairs.judged
    if len(names) < 2:
        raise ValueError("there are no pairs judged in both orders")
    over: dict[str, list[Values]] = {name: [] for name in names}
    for one, other in itertools.combinations(names, 2):
        of_two = _between(pairs, one, other)
        if not len(of_two):
            raise ValueError(f"no pair of '{one}' and '{other}' could be judged in both orders")
        preference = mean(of_two, of_two.preference, weights)
        over[one].append(preference)
        over[other].append(1 - preference)
    return {name: np.mean(values, axis=0) for name, values in over.items()}


def self_preference_bias(scores: Mapping[str, Values], own: str, human: str) -> Values:
    """Returns SPB: the own origin's score minus the mean of the other synthetic origins.

    Eggs study: S_llama - mean(S_qwen, S_gemma, S_falcon). Synthetic is every origin but `human`.
    From -1 to 1. Raises ValueError where `own` is human text or not among the origins, or where
    no other synthetic origin is.
    """
    others = [score for origin, score in scores.items() if origin not in (own, human)]
    if own not in scores or own == human:
        raise ValueError(f"'{own}', the judge's own origin, is not among the synthetic origins")
    if not others:
        raise ValueError(f"there is no synthetic origin besides '{own}'")
    difference: Values = scores[own] - np.mean(others, axis=0)
    return difference


def synthetic_preference(scores: Mapping[str, Values], human: str) -> Values:
    """Returns PSB: the mean score of synthetic origins minus that of human text, -1 to 1.

    Eggs study: mean(S_llama, S_qwen, S_gemma, S_falcon) - S_human. Raises ValueError where human
    text or a synthetic origin is missing.
    """
    synthetic = [score for origin, score in scores.items() if origin != human]
    if human not in scores or not synthetic:
        raise ValueError(f"it takes '{human}' and a synthetic origin; judged: {', '.join(scores)}")
    difference: Values = np.mean(synthetic, axis=0) - scores[human]
    return difference


def position_bias(pairs: Pairs, weights: Values) -> Values:
    """Returns the mean probability of choosing what is shown first, minus 0.5; from -0.5 to 0.5.

    Without bias it is 0 whatever the texts, since every pair is shown in both orders. Where the
    first text always has the same label, it measures position and label bias together.
    """
    return mean(pairs, pairs.first, weights) - 0.5


def label_bias(pairs: Pairs, weights: Values) -> Values:
    """Returns the mean probability of the label that sorts first, minus 0.5; -0.5 to 0.5.

    Over pairs judged with the labels in both places; then it does not depend on position or
    texts, and `position_bias` does not depend on labels. Raises ValueError where they were not
    swapped, since the biases of position and label are confounded then.
    """
    known = pairs.where(np.isfinite(pairs.label))
    if len(pairs) and not len(known):
        raise ValueError("the labels were not swapped: position_bias is of both together")
    return mean(known, known.label, weights) - 0.5


def label_mass(pairs: Pairs, weights: Values) -> Values:
    """Returns the mean probability of the two labels together, from 0 to 1.

    Raises ValueError where it was not recorded.
    """
    known = pairs.where(np.isfinite(pairs.label_mass))
    if len(pairs) and not len(known):
        raise ValueError("the probability of the labels themselves was not recorded")
    return mean(known, known.label_mass, weights)


def better(pairs: Pairs) -> Values:
    """Returns 1 where `one` is known to be better, -1 where `other` is, else 0; shape (pairs,).

    The better text has the higher correctness or, where that is equal, the higher quality.
    """
    correct, quality = (
        np.nan_to_num(np.sign(pairs.facts[fact][:, 0] - pairs.facts[fact][:, 1]))
        for fact in ("correct", "quality")
    )
    signs: Values = np.where(correct != 0, correct, quality)
    return signs


def discernment(pairs: Pairs, weights: Values) -> Values:
    """Returns the share of pairs with a known better text in which the judge prefers it, 0 to 1.

    Preferred means an order-averaged preference above 0.5; exactly 0.5 counts half. 0.5 is
    chance. Raises ValueError where no better text is known.
    """
    known = pairs.where(better(pairs) != 0)
    if not len(known):
        raise ValueError("of no pair is it known which text is better")
    return mean(known, np.heaviside((known.preference - 0.5) * better(known), 0.5), weights)


def control_discernment(controls: Pairs, weights: Values, good: str) -> Values:
    """`discernment` on control pairs, whose better text is that of the origin `good`.

    Raises ValueError where no pair counts and where `good` is not one of the origins of a pair.
    """
    of_good = controls.towards(good)
    if len(of_good) < len(controls):
        raise ValueError(f"a control pair without '{good}' has no known better text")
    return mean(of_good, np.heaviside(of_good.preference - 0.5, 0.5), weights)


def certainty(pairs: Pairs, weights: Values) -> Values:
    """Returns the mean distance of the order-averaged preference from 0.5, from 0 to 0.5.

    Near 0, all preferences are near one half: the judge has no preference, or no discernment.
    """
    return mean(pairs, np.abs(pairs.preference - 0.5), weights)


def verdicts(pairs: Pairs) -> Values:
    """Returns J* of both orders: 1 for `one`, -1 for `other`, 0 for a tie; shape (pairs,).

    Chen et al. 2025 (arXiv 2504.03846): where both orders agree, their verdict; a tie and a
    verdict give the verdict; two opposite verdicts give a tie. An order is a tie if both texts
    are chosen with exactly the same probability.
    """
    signs: Values = np.sign(np.sign(pairs.one_first - 0.5) + np.sign(pairs.one_second - 0.5))
    return signs


def tie_rate(pairs: Pairs, weights: Values) -> Values:
    """Returns the share of pairs that are ties by `verdicts`, from 0 to 1."""
    return mean(pairs, (verdicts(pairs) == 0).astype(float), weights)


def _between(pairs: Pairs, one: str, other: str) -> Pairs:
    """Returns the pairs of two origins, `one` before `other` in alphabetical order."""
    if one not in pairs.origins or other not in pairs.origins:
        return pairs.where(np.zeros(len(pairs), bool))
    first, second = pairs.origins.index(one), pairs.origins.index(other)
    return pairs.where((pairs.one == first) & (pairs.other == second))
