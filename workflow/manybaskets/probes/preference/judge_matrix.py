"""The matrix of judges by generators, and how much more each judge prefers its own text.

A judge may prefer its own text because it is good text; other judges then prefer it, too.
Self-preference is the part of the diagonal that the means of judges and generators leave.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manybaskets.probes.preference.pairs import Pairs

Values = NDArray[np.float64]

COVARIATES = ("length", "log_perplexity")


class Matrix:
    """Scores of every generator's text under every judge, item by item.

    Only full rounds of a judge and unit count: every pair of all its generators judged.
    `score` of shape (rows,) is the mean preference for a generator's text of that unit over the
    others'; `judge`, `generator`, `unit` are indices, `own` is whether the text is the judge's.
    `covariates` of shape (rows, names): log length and log-perplexity under the judge, each minus
    its mean over the round. `incomplete` counts the pairs of rounds that are not full.
    """

    def __init__(self, pairs: Pairs) -> None:
        """`pairs` of all judges. Raises ValueError where no round is full."""
        self.incomplete = len(pairs.dropped)
        self.names: tuple[str, ...] = tuple(
            name
            for name in COVARIATES
            if len(pairs) and np.isfinite(pairs.facts[name]).all() and _positive(pairs, name)
        )
        rounds = []
        for number, judge in enumerate(pairs.judges):
            of_judge = pairs.of(judge)
            wanted = len(of_judge.judged) * (len(of_judge.judged) - 1) // 2
            full = np.bincount(of_judge.unit, minlength=len(pairs.unit_item)) == wanted
            whole = of_judge.where(full[of_judge.unit])
            self.incomplete += len(of_judge) - len(whole)
            if len(whole):
                rounds.append((number, *_rounds(whole, self.names)))
        if not rounds:
            raise ValueError("no item was judged in full, every pair of all origins")
        self.judge = np.concatenate([np.full(len(unit), n) for n, unit, *_ in rounds])
        self.unit, self.generator, self.score, self.covariates = (
            np.concatenate([columns[part] for columns in rounds]) for part in range(1, 5)
        )
        own = np.array([pairs.own.get(judge, "") for judge in pairs.judges])
        self.own = np.array(pairs.origins)[self.generator] == own[self.judge]
        self.judges, self.origins = pairs.judges, pairs.origins

    def __len__(self) -> int:
        return len(self.score)

    def means(self) -> Values:
        """Returns W of shape (judges, generators): mean scores, NaN for generators not judged."""
        shape = (len(self.judges), len(self.origins))
        total, count = np.zeros(shape), np.zeros(shape)
        np.add.at(total, (self.judge, self.generator), self.score)
        np.add.at(count, (self.judge, self.generator), 1)
        with np.errstate(invalid="ignore"):
            mean_scores: Values = total / count
        return mean_scores

    def excess(self, weights: Values, controlled: Sequence[str] = ()) -> Values:
        """Diagonal excess: how much higher judges score their own text than expected, -1 to 1.

        The coefficient delta of W[j, g] = judge_j + generator_g + delta * (g is j's own), by least
        squares over all rows; with every judge and generator in equal numbers it is the mean
        diagonal of the two-way centred matrix, divided by that of an identity matrix after the same
        centring. With `controlled`, of the names in `names`, their effects are taken out within
        items. Scores of a round sum to a constant, so text that gains d in each pair of k
        generators has an excess of d * k / (k - 1). Raises ValueError where self-preference is
        confounded with a generator's quality, that is, without two judges of different own origins.
        """
        design = np.column_stack(
            [
                self.own.astype(float),
                *(self.covariates[:, self.names.index(name)] for name in controlled),
                *_indicators(self.judge),
                *_indicators(self.generator)[1:],
            ]
        )
        others = design[:, 1:]
        residual = design[:, 0] - others @ np.linalg.lstsq(others, design[:, 0], rcond=None)[0]
        if np.abs(residual).max() < 1e-8:
            raise ValueError("it takes several judges, not all with the same own origin")
        return self._coefficient(design, weights)

    def _coefficient(self, design: Values, weights: Values) -> Values:
        """Returns the first column's coefficient; normal equations are summed by unit first.

        `design` has the shape (rows, columns), `weights` and the result (resamples, units) and
        (resamples,).
        """
        columns, units = design.shape[1], weights.shape[1]
        gram = np.zeros((units, columns * columns))
        moments = np.zeros((units, columns))
        products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
        np.add.at(gram, self.unit, products)
        np.add.at(moments, self.unit, design * self.score[:, None])
        return solved((weights @ gram).reshape(-1, columns, columns), weights @ moments)[:, 0]


def _rounds(
    pairs: Pairs, names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Values, Values]:
    """Unit, generator, mean preference and centred covariates of every text of full rounds."""
    shape = (len(pairs.unit_item), len(pairs.origins))
    total, count = np.zeros(shape), np.zeros(shape)
    facts = np.zeros((*shape, len(names)))
    for side, origin in enumerate((pairs.one, pairs.other)):
        preference = pairs.preference if side == 0 else 1 - pairs.preference
        np.add.at(total, (pairs.unit, origin), preference)
        np.add.at(count, (pairs.unit, origin), 1)
        for number, name in enumerate(names):
            known = pairs.facts[name][:, side]
            facts[pairs.unit, origin, number] = np.log(known) if name == "length" else known
    unit, generator = np.nonzero(count)
    generators = (count > 0).sum(axis=1)[unit]
    centre = facts.sum(axis=1)[unit] / generators[:, None]
    score = total[unit, generator] / count[unit, generator]
    return unit, generator, score, facts[unit, generator] - centre


def solved(gram: Values, moments: Values) -> Values:
    """Returns the solutions of normal equations, of shape (resamples, columns).

    `gram` has the shape (resamples, columns, columns), `moments` (resamples, columns).
    A ridge of 1e-10 of their size keeps resamples solvable that lack a judge or an opponent.
    """
    size = np.einsum("rii->r", gram) / gram.shape[1] + 1e-300
    ridge = 1e-10 * size[:, None, None] * np.eye(gram.shape[1])
    coefficients: Values = np.linalg.solve(gram + ridge, moments[:, :, None])[:, :, 0]
    return coefficients


def _positive(pairs: Pairs, name: str) -> bool:
    return name != "length" or bool((pairs.facts[name] > 0).all())


def _indicators(index: NDArray[np.int64]) -> list[Values]:
    return [(index == value).astype(float) for value in np.unique(index)]
