"""Preference of a judge among texts of several origins, from pairwise judgements in both orders.

Preference, self-preference bias and synthetic-over-human preference as in "Synthetic Eggs in Many
Baskets" (arXiv 2511.01490, Experiment 3); position bias, label mass and control pairs say how far
to trust them. Knows nothing about how a judge is asked.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manybaskets.measurements import Measurement

PROBE = "preference"


@dataclass(frozen=True)
class PairPreference:
    """One item's judgement between two origins, averaged over both orders.

    `preference` is the probability of choosing `one` over `other`, `first` the probability of
    choosing whatever stood first, `label_mass` the probability of the two labels together.
    """

    item: str | int
    one: str
    other: str
    preference: float
    first: float
    label_mass: float


@dataclass(frozen=True)
class JudgedPairs:
    """All pairs of a set of judgements: those that count, and the origins of those that do not.

    `judged` in the order of item and origins; `incomplete` are pairs that lack an order or failed
    in one, `identical` pairs whose two texts are the same, each as (one, other).
    """

    judged: tuple[PairPreference, ...]
    incomplete: tuple[tuple[str, str], ...]
    identical: tuple[tuple[str, str], ...]

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of all pairs, those that do not count included, sorted."""
        judged = [(pair.one, pair.other) for pair in self.judged]
        return tuple(sorted(set().union(*judged, *self.incomplete, *self.identical)))


def pair_preferences(judgements: Iterable[Mapping[str, Any]]) -> JudgedPairs:
    """Brings the two orders of every pair of an item together.

    A judgement has `item`, `first` and `second` (the origins shown at the first and at the second
    position), `log_prob_first_label` and `log_prob_second_label` (natural logarithms of the
    probability of answering with the label of that position), and may have `state`: "ok" (the
    default), "identical" where the two texts are the same, anything else where it failed. The
    probability of choosing the first is the softmax over the two labels. A pair counts only with
    both orders, both ok and both with two log-probabilities of which at least one is finite.

    Raises ValueError for an origin paired with itself and for an order that occurs twice.
    """
    orders: dict[tuple[Any, str, str], dict[str, Mapping[str, Any]]] = {}
    for row in judgements:
        first, second = row["first"], row["second"]
        if first == second:
            raise ValueError(f"item {row['item']}: '{first}' is compared with itself.")
        one, other = sorted((first, second))
        pair = orders.setdefault((row["item"], one, other), {})
        if first in pair:
            raise ValueError(f"item {row['item']}: '{first}' before '{second}' is judged twice.")
        pair[first] = row
    judged, incomplete, identical = [], [], []
    for (item, one, other), rows in sorted(orders.items(), key=lambda entry: _order(entry[0])):
        if any(row.get("state") == "identical" for row in rows.values()):
            identical.append((one, other))
        elif len(rows) < 2 or not all(_is_usable(row) for row in rows.values()):
            incomplete.append((one, other))
        else:
            judged.append(_average(item, one, other, rows[one], rows[other]))
    return JudgedPairs(tuple(judged), tuple(incomplete), tuple(identical))


def preference_matrix(pairs: JudgedPairs) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The origins, sorted, and W of shape (origins, origins): mean preferences, row over column.

    The mean is over items and both orders; W[i, j] + W[j, i] = 1. NaN on the diagonal and where
    no pair of the two origins counts.
    """
    origins = pairs.origins
    index = {origin: position for position, origin in enumerate(origins)}
    values: dict[tuple[int, int], list[float]] = {}
    for pair in pairs.judged:
        values.setdefault((index[pair.one], index[pair.other]), []).append(pair.preference)
    matrix = np.full((len(origins), len(origins)), np.nan)
    for (one, other), preferences in values.items():
        matrix[one, other] = _mean(preferences)
        matrix[other, one] = 1 - matrix[one, other]
    return origins, matrix


def preference_scores(pairs: JudgedPairs) -> dict[str, float]:
    """Each origin's preference S: the mean over items, both orders and all other origins.

    Every other origin has the same weight, whatever the number of its items that count, so that
    the scores of k origins always sum to k/2. Raises ValueError where two origins have no pair
    that counts, since the scores would then rest on different comparisons.
    """
    origins, matrix = preference_matrix(pairs)
    if len(origins) < 2:
        raise ValueError("there are no pairs judged in both orders")
    for i, one in enumerate(origins):
        for j, other in enumerate(origins[:i]):
            if math.isnan(matrix[i, j]):
                raise ValueError(f"no pair of '{other}' and '{one}' could be judged in both orders")
    return {origin: _mean(np.delete(matrix[i], i).tolist()) for i, origin in enumerate(origins)}


def self_preference_bias(scores: Mapping[str, float], own: str, human: str) -> float:
    """SPB: the score of the judge's own origin minus the mean of the other synthetic origins.

    Synthetic is every origin but `human`. From -1 to 1. Raises ValueError where `own` is human
    text or not among the origins, or where no other synthetic origin is.
    """
    others = [score for origin, score in scores.items() if origin not in (own, human)]
    if own not in scores or own == human:
        raise ValueError(f"'{own}', the judge's own origin, is not among the synthetic origins")
    if not others:
        raise ValueError(f"there is no synthetic origin besides '{own}'")
    return scores[own] - _mean(others)


def synthetic_preference(scores: Mapping[str, float], human: str) -> float:
    """PSB: the mean score of the synthetic origins minus the score of human text, from -1 to 1.

    Raises ValueError where human text or a synthetic origin is missing.
    """
    synthetic = [score for origin, score in scores.items() if origin != human]
    if human not in scores or not synthetic:
        raise ValueError(f"it takes '{human}' and a synthetic origin; judged: {', '.join(scores)}")
    return _mean(synthetic) - scores[human]


def position_bias(pairs: JudgedPairs) -> float:
    """Mean probability of choosing what is shown first, minus 0.5; from -0.5 to 0.5.

    Without bias it is 0 whatever the texts, since every pair is shown in both orders. Raises
    ValueError where no pair counts.
    """
    return _mean([pair.first for pair in _some(pairs)]) - 0.5


def label_mass(pairs: JudgedPairs) -> float:
    """Mean probability of the two labels together, from 0 to 1. ValueError where no pair counts."""
    return _mean([pair.label_mass for pair in _some(pairs)])


def discernment(controls: JudgedPairs, better: str) -> float:
    """Share of control pairs in which the judge prefers the origin known to be `better`.

    Preferred means an order-averaged preference above 0.5; exactly 0.5 counts half. Raises
    ValueError where no pair counts and where `better` is not one of the two origins of a pair.
    """
    wins = []
    for pair in _some(controls):
        if better not in (pair.one, pair.other):
            raise ValueError(
                f"item {pair.item}: a control pair of '{pair.one}' and '{pair.other}' does not say "
                f"whether a judge knows the better one; one of the two must be '{better}'."
            )
        preference = pair.preference if pair.one == better else 1 - pair.preference
        wins.append(float(np.heaviside(preference - 0.5, 0.5)))
    return _mean(wins)


def preference_measurements(
    judgements: Iterable[Mapping[str, Any]], own: str, human: str
) -> list[Measurement]:
    """Every metric of this module, from judgements as `pair_preferences` takes them.

    A judgement with `control` true is a control pair: `human` text about this item against text
    of another origin name that is known to be worse, such as a human summary of another text.
    Control pairs count for `discernment` only. `item_set` is the origin's name for `preference`
    (one measurement per origin), "controls" for `discernment`, else "pairs". `n` counts pairs in
    both orders, `excluded` incomplete and identical ones. What is not defined is None with its
    reason.
    """
    rows = list(judgements)
    pairs = pair_preferences(row for row in rows if not row.get("control"))
    controls = pair_preferences(row for row in rows if row.get("control"))
    return [
        *(
            _measure(
                "preference", origin, _of_origin(pairs, origin), partial(_score, pairs, origin)
            )
            for origin in pairs.origins
        ),
        _measure("self_preference_bias", "pairs", pairs, partial(_own_bias, pairs, own, human)),
        _measure("synthetic_preference", "pairs", pairs, partial(_synthetic, pairs, human)),
        _measure("position_bias", "pairs", pairs, partial(position_bias, pairs)),
        _measure("label_mass", "pairs", pairs, partial(label_mass, pairs)),
        _measure("discernment", "controls", controls, partial(discernment, controls, human)),
    ]


def _score(pairs: JudgedPairs, origin: str) -> float:
    return preference_scores(pairs)[origin]


def _own_bias(pairs: JudgedPairs, own: str, human: str) -> float:
    return self_preference_bias(preference_scores(pairs), own, human)


def _synthetic(pairs: JudgedPairs, human: str) -> float:
    return synthetic_preference(preference_scores(pairs), human)


def _measure(
    metric: str, item_set: str, pairs: JudgedPairs, value_of: Callable[[], float]
) -> Measurement:
    counts = {"incomplete": len(pairs.incomplete), "identical": len(pairs.identical)}
    excluded = sum(counts.values())
    note = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    try:
        value: float | None = value_of()
    except ValueError as error:
        value, note = None, "; ".join(filter(None, [str(error), note]))
    return Measurement(PROBE, metric, item_set, value, len(pairs.judged), excluded, note)


def _of_origin(pairs: JudgedPairs, origin: str) -> JudgedPairs:
    return JudgedPairs(
        tuple(pair for pair in pairs.judged if origin in (pair.one, pair.other)),
        tuple(two for two in pairs.incomplete if origin in two),
        tuple(two for two in pairs.identical if origin in two),
    )


def _is_usable(row: Mapping[str, Any]) -> bool:
    if row.get("state", "ok") != "ok":
        return False
    log_probs = [row.get("log_prob_first_label"), row.get("log_prob_second_label")]
    known = [log_prob for log_prob in log_probs if log_prob is not None]
    # With probability 0 for both labels the softmax is not defined.
    return len(known) == 2 and not any(map(math.isnan, known)) and any(map(math.isfinite, known))


def _average(
    item: str | int,
    one: str,
    other: str,
    one_first: Mapping[str, Any],
    other_first: Mapping[str, Any],
) -> PairPreference:
    chosen_one, chosen_other = _first_chosen(one_first), _first_chosen(other_first)
    return PairPreference(
        item=item,
        one=one,
        other=other,
        preference=(chosen_one + 1 - chosen_other) / 2,
        first=(chosen_one + chosen_other) / 2,
        label_mass=(_label_mass(one_first) + _label_mass(other_first)) / 2,
    )


def _first_chosen(row: Mapping[str, Any]) -> float:
    """Softmax over the two labels: the probability of choosing what is shown first."""
    difference = row["log_prob_second_label"] - row["log_prob_first_label"]
    # 1 / (1 + exp(difference)), without an overflow where the judge is certain
    if difference > 0:
        return math.exp(-difference) / (1 + math.exp(-difference))
    return 1 / (1 + math.exp(difference))


def _label_mass(row: Mapping[str, Any]) -> float:
    return math.exp(row["log_prob_first_label"]) + math.exp(row["log_prob_second_label"])


def _order(key: tuple[Any, str, str]) -> tuple[bool, Any, str, str]:
    item, one, other = key
    return isinstance(item, str), item, one, other  # numbers before names


def _some(pairs: JudgedPairs) -> tuple[PairPreference, ...]:
    if not pairs.judged:
        raise ValueError("there are no pairs judged in both orders")
    return pairs.judged


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
