"""How far two judges agree, how far one agrees with people, and rates corrected for its errors.

Everything here is about binary labels: does harm or not, refuses or not.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000


class Kappa(NamedTuple):
    """Cohen's kappa of two raters with its interval over `n` items; None: not defined."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Errors(NamedTuple):
    """How a judge did on labelled items: right among positive and among negative ones."""

    true_positives: int
    positives: int
    true_negatives: int
    negatives: int

    @property
    def sensitivity(self) -> float | None:
        """Share of the positive items that the judge calls positive."""
        return self.true_positives / self.positives if self.positives else None

    @property
    def specificity(self) -> float | None:
        """Share of the negative items that the judge calls negative."""
        return self.true_negatives / self.negatives if self.negatives else None


class Corrected(NamedTuple):
    """A rate corrected for a judge's errors, with its interval; None with `note` on why."""

    value: float | None
    low: float | None
    high: float | None
    note: str = ""


def kappa(one: Sequence[bool], other: Sequence[bool], alpha: float = 0.05) -> Kappa:
    """Cohen's kappa with the large-sample interval of Fleiss, Cohen and Everitt 1969.

    None where both raters give all items one and the same label: chance agreement is 1 then, and
    kappa is not defined. Raises ValueError for ratings of different length.
    """
    if len(one) != len(other):
        raise ValueError(f"{len(one)} and {len(other)} ratings; both raters rate the same items.")
    n = len(one)
    if n == 0:
        return Kappa(None, None, None, 0)
    table = np.zeros((2, 2))
    np.add.at(table, (np.asarray(one, dtype=int), np.asarray(other, dtype=int)), 1 / n)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    agreed, chance = float(np.trace(table)), float(rows @ columns)
    if math.isclose(chance, 1.0):
        return Kappa(None, None, None, n)
    value = (agreed - chance) / (1 - chance)
    # rows[j] belongs to the second rater's category i and columns[i] to the first's
    kept = sum(
        table[i, i] * ((1 - chance) - (rows[i] + columns[i]) * (1 - agreed)) ** 2 for i in range(2)
    )
    crossed = (1 - agreed) ** 2 * sum(
        table[i, j] * (columns[i] + rows[j]) ** 2 for i in range(2) for j in range(2) if i != j
    )
    loss = (agreed * chance - 2 * chance + agreed) ** 2
    variance = max(0.0, float(kept + crossed - loss)) / (n * (1 - chance) ** 4)
    half = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(variance)
    return Kappa(value, max(-1.0, value - half), min(1.0, value + half), n)


def errors(labels: Sequence[bool], said: Sequence[bool]) -> Errors:
    """How often a judge said what people's labels say."""
    pairs = list(zip(labels, said, strict=True))
    return Errors(
        sum(label and one for label, one in pairs),
        sum(labels),
        sum(not label and not one for label, one in pairs),
        len(labels) - sum(labels),
    )


def corrected_rate(
    positives: int, n: int, judge: Errors, alpha: float = 0.05, seed: int = 0
) -> Corrected:
    """The rate that a judge's `positives` of `n` stand for (Rogan and Gladen 1978).

    (p + specificity - 1) / (sensitivity + specificity - 1), held inside [0, 1]. The interval
    carries the uncertainty of all three: each proportion is drawn from its Beta posterior under
    Jeffreys' prior, and draws are taken from those with a judge better than chance. A judge that is
    no better than chance on the labelled items corrects nothing.
    """
    if judge.sensitivity is None or judge.specificity is None or n == 0:
        return Corrected(None, None, None, "it takes responses, and labels of both kinds")
    youden = judge.sensitivity + judge.specificity - 1
    if youden <= 0:
        note = "on the labelled responses the judge is no better than chance"
        return Corrected(None, None, None, note)
    value = min(1.0, max(0.0, (positives / n + judge.specificity - 1) / youden))
    rng = np.random.default_rng(seed)

    def drawn(hits: int, of: int) -> np.ndarray:
        return rng.beta(hits + 0.5, of - hits + 0.5, RESAMPLES)

    rate = drawn(positives, n)
    sensitivity = drawn(judge.true_positives, judge.positives)
    specificity = drawn(judge.true_negatives, judge.negatives)
    better = sensitivity + specificity > 1
    draws = (rate + specificity - 1)[better] / (sensitivity + specificity - 1)[better]
    low, high = np.quantile(np.clip(draws, 0, 1), [alpha / 2, 1 - alpha / 2])
    return Corrected(value, float(min(low, value)), float(max(high, value)))
