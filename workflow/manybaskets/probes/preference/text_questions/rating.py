"""A rating from 1 to 5, as in the Eggs study's Experiment 3 (arXiv 2511.01490)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from manybaskets.metrics.measurement import Measurement
from manybaskets.probes.preference.text_question import (
    PROBE,
    Identical,
    Row,
    TextQuestion,
    by_origin,
    mean,
    of_rows,
)


class Rating(TextQuestion):
    """Ratings of each origin's texts, and the bias towards the judge's own."""

    labels = ("1", "2", "3", "4", "5")
    words = "a rating from 1 to 5 (the expected value over the scores' probabilities)"
    template = "rate"
    may_lack = len(labels) - 1

    def measurements(
        self, rows: Sequence[Row], identical: Identical, own: str | None, human: str
    ) -> list[Measurement]:
        """Returns mean ratings by origin, the probability of other tokens, and the rating bias."""
        rated: dict[tuple[Any, str], float] = {}
        outside = []
        for row in rows:
            if row["state"] == "ok":
                rated[row["item"], row["candidate"]], rest = expected_rating(row["log_probs"])
                outside.append(rest)
        measured = []
        for origin, of_origin in by_origin(rows):
            in_order = sorted(rated.items(), key=str)
            values = [value for (_, name), value in in_order if name == origin]
            measured.append(of_rows("rating", origin, mean(values), of_origin))
        measured.append(of_rows("rating_outside", "ratings", mean(outside), rows))
        return [*measured, _bias(rows, rated, own, human)]


def expected_rating(log_probs: Sequence[float | None]) -> tuple[float, float]:
    """Returns the expected score, and the probability outside the scores.

    `log_probs` are natural, of the scores 1 to k in order; None has probability 0. As in the Eggs
    study, Experiment 3: the mean score weighted by the probabilities of the score tokens, divided
    by their sum. Raises ValueError where none has any probability.
    """
    probabilities = [math.exp(value) if value is not None else 0.0 for value in log_probs]
    total = math.fsum(probabilities)
    if total == 0:
        raise ValueError("no score has any probability")
    weighted = math.fsum(score * p for score, p in enumerate(probabilities, start=1))
    return weighted / total, max(0.0, 1 - total)


def _bias(
    rows: Sequence[Row], rated: dict[tuple[Any, str], float], own: str | None, human: str
) -> Measurement:
    """Returns the rating bias over the items for which every model's text was rated."""
    models = sorted({row["candidate"] for row in rows} - {human})
    items = sorted({row["item"] for row in rows}, key=str)
    full = [item for item in items if all((item, model) in rated for model in models)]
    reason = ""
    if own not in models or len(models) < 2:
        reason = f"'{own or 'nobody'}' is not among several synthetic origins"
    elif not full:
        reason = "no item has a rating of every model's text"
    value = None
    if not reason:
        others = [rated[item, model] for item in full for model in models if model != own]
        value = float(np.mean([rated[item, str(own)] for item in full]) - np.mean(others))
    left = len(items) - len(full)
    note = "; ".join(filter(None, [reason, f"{left} items not rated in full" if left else ""]))
    return Measurement(PROBE, "rating_bias", "own", value, len(full), left, note)


QUESTION = Rating()
