"""Self-preference beyond the quality of a judge's own text, one function per definition.

Every measure takes the pairs of one judge turned `towards` its own origin (`one` is the judge's
own text, `other` another model's), and weights of shape (resamples, units), and returns an array
of shape (resamples,). Human text is neither own text nor a competitor, except as the right
answer beside a wrong one.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manybaskets.probes.preference.judge_matrix import solved
from manybaskets.probes.preference.pairs import Pairs
from manybaskets.probes.preference.preference import better, mean, verdicts

Values = NDArray[np.float64]

COVARIATES = ("quality", "length", "log_perplexity")
NEWTON_STEPS, FIRST_STEPS = 3, 25


def own_pairs(pairs: Pairs, own: str, human: str) -> Pairs:
    """Returns the pairs of a judge's own text and another model's, own text as `one`.

    Raises ValueError where there are none.
    """
    competing = pairs.without(human).towards(own)
    if own == human or (own not in pairs.judged):
        raise ValueError(f"'{own}', the judge's own origin, is not among the synthetic origins")
    if not len(competing):
        raise ValueError(f"no pair of '{own}' and another model's text counts")
    return competing


def own_preference(own: Pairs, weights: Values) -> Values:
    """Returns the mean order-averaged probability of choosing own text, from 0 to 1.

    Panickssery et al. 2024 (arXiv 2404.13076): the mean over the two orders. 0.5 is neutral.
    """
    return mean(own, own.preference, weights)


def equal_opportunity_bias(own: Pairs, weights: Values) -> Values:
    """P(prefers own | own is better) - P(prefers the other's | the other's is better), -1 to 1.

    Wataoka et al. 2024 (arXiv 2410.21819), equality of opportunity: with Y the true better, S
    whether it is the judge's own and Y' whether the judge prefers it, P(Y'=1|S=1,Y=1) -
    P(Y'=1|S=0,Y=1). The better one is known from human votes, quality or correctness; Y' is the
    order-averaged probability, that is, its expectation. Pairs without a better text do not
    count. Raises ValueError unless each side has the better text at least once.
    """
    known = better(own)
    if not (known > 0).any() or not (known < 0).any():
        raise ValueError("it takes pairs with the better text known, own and others'")
    mine, others = own.where(known > 0), own.where(known < 0)
    return mean(mine, mine.preference, weights) - mean(others, 1 - others.preference, weights)


def self_preference_rate(own: Pairs, weights: Values) -> Values:
    """Returns SPR: the share of pairs whose verdict is the judge's own text, from 0 to 1.

    Chen et al. 2025 (arXiv 2504.03846), #(J* = own) / n with J* as in `verdicts`. A tie does not
    count as a vote for own text and stays in the denominator.
    """
    return mean(own, _votes(own), weights)


def legitimate_share(own: Pairs, weights: Values) -> Values:
    """Returns LSPR: the share of right answers among votes for own answers, from 0 to 1.

    Chen et al. 2025, #(J* = own, own correct) / #(J* = own), over own answers of known
    correctness. Raises ValueError where no such vote exists.
    """
    known = own.where((_votes(own) > 0) & np.isfinite(own.facts["correct"][:, 0]))
    if not len(known):
        raise ValueError("no vote for an own answer of known correctness")
    return mean(known, known.facts["correct"][:, 0], weights)


def harmful_rate(own: Pairs, weights: Values) -> Values:
    """Returns HSPP: the share of pairs with a wrong own answer that this answer wins, 0 to 1.

    Chen et al. 2025, #(J* = own, own wrong) / #(own wrong), whatever the correctness of the other
    answer; ties stay in the denominator. Raises ValueError where no own answer is wrong.
    """
    wrong = own.where(own.facts["correct"][:, 0] == 0)
    if not len(wrong):
        raise ValueError("no own answer is known to be wrong")
    return mean(wrong, _votes(wrong), weights)


class Matched:
    """Votes for own wrong answers and for other models' equally wrong ones, on the same items.

    On each item and against each right answer (of any origin, also human), the judge's own wrong
    answer and every other model's wrong answer, both judged. `own` and `other` of shape (units,)
    are the shares of votes; NaN for units without such a match. `count` is the number of matches.
    """

    def __init__(self, pairs: Pairs, own: str, human: str) -> None:
        """`pairs` are all of one judge's. Raises ValueError where nothing can be matched."""
        votes: dict[tuple[int, str], dict[str, float]] = {}
        correct = pairs.facts["correct"]
        ruled = verdicts(pairs)
        for n in range(len(pairs)):
            if {correct[n, 0], correct[n, 1]} != {0.0, 1.0}:
                continue
            names = pairs.origins[pairs.one[n]], pairs.origins[pairs.other[n]]
            right = int(correct[n, 1] == 1)
            vote = float(ruled[n] == (1 if right else -1))
            votes.setdefault((int(pairs.unit[n]), names[right]), {})[names[1 - right]] = vote
        units = len(pairs.unit_item)
        mine: list[list[float]] = [[] for _ in range(units)]
        others: list[list[float]] = [[] for _ in range(units)]
        for (unit, _), wrong in votes.items():
            for name in sorted(set(wrong) - {own, human}):
                if own in wrong:
                    mine[unit].append(wrong[own])
                    others[unit].append(wrong[name])
        self.count = sum(map(len, mine))
        if not self.count:
            raise ValueError("no item has an own and another model's wrong answer beside a right")
        self.own = np.array([np.mean(v) if v else math.nan for v in mine])
        self.other = np.array([np.mean(v) if v else math.nan for v in others])

    @property
    def used(self) -> NDArray[np.bool_]:
        """The units that have a match, shape (units,)."""
        matched: NDArray[np.bool_] = np.isfinite(self.own)
        return matched

    def baseline(self, weights: Values) -> Values:
        """P(vote for another model's wrong answer) on the matched items, from 0 to 1."""
        return self._mean(self.other, weights)

    def excess(self, weights: Values) -> Values:
        """P(vote for own wrong answer) - P(vote for another model's wrong answer), -1 to 1.

        Evaluator-quality baseline, Roytburg et al. 2026 (arXiv 2601.22548): a judge that does not
        recognise wrong answers votes for them, its own as well as others'; only the excess of votes
        for its own is self-preference. Ties do not count; every item has the same weight.
        """
        return self._mean(self.own - self.other, weights)

    def _mean(self, values: Values, weights: Values) -> Values:
        of_unit = weights[:, self.used]
        with np.errstate(invalid="ignore"):
            weighted_mean: Values = of_unit @ values[self.used] / of_unit.sum(axis=1)
        return weighted_mean


def length_controlled_preference(own: Pairs, weights: Values) -> Values:
    """Returns the probability of choosing own text if both texts had the same length, 0 to 1.

    AlpacaEval's length control (Dubois et al. 2024, arXiv 2404.04475): a fractional logistic
    regression of the preference, logit = theta_other + phi * tanh(d / sd(d)) with d the difference
    in length, then the mean over the other models of the prediction without the length term. Their
    term for how difficult an instruction is needs a model of many systems and is left out. Raises
    ValueError where lengths are not known or all differences are the same.
    """
    chosen = own.where(np.isfinite(own.facts["length"].sum(axis=1)))
    if not len(chosen):
        raise ValueError("the lengths of the texts are not known")
    difference = chosen.facts["length"][:, 0] - chosen.facts["length"][:, 1]
    spread = float(np.std(difference))
    if spread == 0:
        raise ValueError("all texts differ in length by the same")
    opponents = np.unique(chosen.other)
    columns = [(chosen.other == opponent).astype(float) for opponent in opponents]
    design = np.column_stack([*columns, np.tanh(difference / spread)])
    fitted = _logistic(design, chosen.preference, weights[:, chosen.unit])
    predicted: Values = _expit(fitted[:, :-1]).mean(axis=1)
    return predicted


def covariates(own: Pairs) -> tuple[str, ...]:
    """Returns the COVARIATES that are known for every pair and not the same for all."""
    names = []
    for name in COVARIATES:
        difference = _difference(own, name)
        if np.isfinite(difference).all() and len(own) and np.ptp(difference) > 0:
            names.append(name)
    return tuple(names)


def self_log_odds(own: Pairs, weights: Values, controlled: Sequence[str] = ()) -> Values:
    """Log-odds of choosing own text over another model's that is equal in all covariates.

    The intercept of a least-squares regression of the order-averaged log-odds on the differences
    in `controlled`: quality and log-perplexity as they are, length as tanh(d / sd(d)). On the
    log-odds scale position bias cancels exactly between the orders, and near-certain judges are
    not compressed. 0 is neutral. Raises ValueError where a pair was decided with certainty in one
    order, since its log-odds are infinite, and for collinear covariates.
    """
    log_odds = own.log_odds
    if not np.isfinite(log_odds).all():
        certain = int((~np.isfinite(log_odds)).sum())
        raise ValueError(f"{certain} pairs were decided with certainty: infinite log-odds")
    columns = [np.ones(len(own)), *(_difference(own, name) for name in controlled)]
    design = np.column_stack(columns)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("the covariates are collinear with own text")
    coefficients = _least_squares(design, log_odds, weights[:, own.unit])
    intercept: Values = coefficients[:, 0]
    return intercept


def _votes(own: Pairs) -> Values:
    votes: Values = (verdicts(own) > 0).astype(float)
    return votes


def _difference(pairs: Pairs, name: str) -> Values:
    difference: Values = pairs.facts[name][:, 0] - pairs.facts[name][:, 1]
    if name != "length":
        return difference
    spread = np.std(difference) if len(difference) else 0.0
    squashed: Values = np.tanh(difference / spread) if spread > 0 else 0.0 * difference
    return squashed


def _least_squares(design: Values, target: Values, weights: Values) -> Values:
    """Coefficients of shape (resamples, columns).

    `design` has the shape (pairs, columns), `target` (pairs,), `weights` (resamples, pairs).
    """
    rows, columns = design.shape
    products = (design[:, :, None] * design[:, None, :]).reshape(rows, columns * columns)
    gram = (weights @ products).reshape(-1, columns, columns)
    moments = weights @ (design * target[:, None])
    return solved(gram, moments)


def _logistic(design: Values, target: Values, weights: Values) -> Values:
    """Fractional logistic regression by Newton's method, shape (resamples, columns).

    All resamples start at the solution of the sample itself, from which three steps suffice. A
    ridge of 1e-3 of an observation keeps coefficients finite under perfect separation.
    """
    start = np.zeros((1, design.shape[1]))
    whole = np.ones((1, len(design)))
    for _ in range(FIRST_STEPS):
        start = _newton(design, target, whole, start)
    if weights.shape[0] == 1 and (weights == 1).all():
        return start
    coefficients = np.repeat(start, len(weights), axis=0)
    for _ in range(NEWTON_STEPS):
        coefficients = _newton(design, target, weights, coefficients)
    return coefficients


def _newton(design: Values, target: Values, weights: Values, coefficients: Values) -> Values:
    """Takes one step from `coefficients` of shape (resamples, columns), at most 2 in each."""
    rows, columns = design.shape
    ridge = 1e-3
    predicted = _expit(coefficients @ design.T)
    gradient = (weights * (target - predicted)) @ design - ridge * coefficients
    products = (design[:, :, None] * design[:, None, :]).reshape(rows, columns * columns)
    curvature = ((weights * predicted * (1 - predicted)) @ products).reshape(-1, columns, columns)
    curvature += ridge * np.eye(columns)
    step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
    updated: Values = coefficients + np.clip(step, -2.0, 2.0)
    return updated


def _expit(values: Values) -> Values:
    probabilities: Values = 1 / (1 + np.exp(-np.clip(values, -500, 500)))
    return probabilities
