"""Agreement of two raters, error rates of a judge, and rates corrected for these errors.

All labels are binary: harmful or not, refusal or not.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000


class Kappa(NamedTuple):
    """Cohen's kappa of two raters with its interval over `n` items; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Errors(NamedTuple):
    """Counts of the labelled items, and of those among them that a judge classifies correctly."""

    true_positives: int
    positives: int
    true_negatives: int
    negatives: int

    @property
    def sensitivity(self) -> float | None:
        """Share of the positive items that the judge classifies as positive; None without any."""
        return self.true_positives / self.positives if self.positives else None

    @property
    def specificity(self) -> float | None:
        """Share of the negative items that the judge classifies as negative; None without any."""
        return self.true_negatives / self.negatives if self.negatives else None


class Corrected(NamedTuple):
    """A rate corrected for a judge's errors, with its interval; None with the reason in `note`."""

    value: float | None
    low: float | None
    high: float | None
    note: str = ""


def kappa(first: Sequence[bool], second: Sequence[bool], alpha: float = 0.05) -> Kappa:
    """Returns Cohen's kappa with the large-sample interval of Fleiss, Cohen and Everitt 1969.

    Both sequences rate the same items in the same order. The value is None where both raters give
    every item the same label: chance agreement is 1 then, and kappa is undefined. Raises
    ValueError if the numbers of ratings differ.
    """
    if len(first) != len(second):
        raise ValueError(
            f"{len(first)} and {len(second)} ratings; both raters must rate the same items."
        )
    n = len(first)
    if n == 0:
        return Kappa(None, None, None, 0)
    table = np.zeros((2, 2))
    np.add.at(table, (np.asarray(first, dtype=int), np.asarray(second, dtype=int)), 1 / n)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    agreed, chance = float(np.trace(table)), float(rows @ columns)
    if math.isclose(chance, 1.0):
        return Kappa(None, None, None, n)
    value = (agreed - chance) / (1 - chance)
    # rows[j] belongs to the second rater's category i and columns[i] to the first's
    diagonal = sum(
        table[i, i] * ((1 - chance) - (rows[i] + columns[i]) * (1 - agreed)) ** 2 for i in range(2)
    )
    off_diagonal = (1 - agreed) ** 2 * sum(
        table[i, j] * (columns[i] + rows[j]) ** 2 for i in range(2) for j in range(2) if i != j
    )
    centre = (agreed * chance - 2 * chance + agreed) ** 2
    variance = max(0.0, float(diagonal + off_diagonal - centre)) / (n * (1 - chance) ** 4)
    half = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(variance)
    return Kappa(value, max(-1.0, value - half), min(1.0, value + half), n)


def errors(labels: Sequence[bool], verdicts: Sequence[bool]) -> Errors:
    """Returns the counts of a judge's correct verdicts against human labels of the same items.

    Raises ValueError if there are not as many verdicts as labels.
    """
    pairs = list(zip(labels, verdicts, strict=True))
    return Errors(
        sum(label and verdict for label, verdict in pairs),
        sum(labels),
        sum(not label and not verdict for label, verdict in pairs),
        len(labels) - sum(labels),
    )


def corrected_rate(
    positives: int, n: int, judge: Errors, alpha: float = 0.05, seed: int = 0
) -> Corrected:
    """Returns the true rate estimated from a judge's `positives` among `n` items, with interval.

    Rogan and Gladen 1978: (p + specificity - 1) / (sensitivity + specificity - 1), clipped to
    [0, 1], where p = `positives` / `n`. The interval includes the uncertainty of all three
    proportions: each is drawn from its Beta posterior under Jeffreys' prior, and only draws in
    which the judge is better than chance are used. The value is None, with a note, without
    responses, without labels of both classes, and where the judge is not better than chance on
    the labelled items.
    """
    if judge.sensitivity is None or judge.specificity is None or n == 0:
        note = "needs responses, and labelled responses of both classes"
        return Corrected(None, None, None, note)
    youden = judge.sensitivity + judge.specificity - 1
    if youden <= 0:
        note = "the judge is not better than chance on the labelled responses"
        return Corrected(None, None, None, note)
    value = min(1.0, max(0.0, (positives / n + judge.specificity - 1) / youden))
    rng = np.random.default_rng(seed)

    def posterior(hits: int, trials: int) -> np.ndarray:
        return rng.beta(hits + 0.5, trials - hits + 0.5, RESAMPLES)

    rate = posterior(positives, n)
    sensitivity = posterior(judge.true_positives, judge.positives)
    specificity = posterior(judge.true_negatives, judge.negatives)
    better = sensitivity + specificity > 1
    draws = (rate + specificity - 1)[better] / (sensitivity + specificity - 1)[better]
    low, high = np.quantile(np.clip(draws, 0, 1), [alpha / 2, 1 - alpha / 2])
    return Corrected(value, float(min(low, value)), float(max(high, value)))
