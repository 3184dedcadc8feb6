"""Scores that judges gave to single texts, on the scale of a file (MT-bench: 1 to 10)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from manybaskets.metrics.measurement import Measurement
from manybaskets.probes.preference.text_question import PROBE, by_origin, mean, of_rows

SCORE = "score"  # the rows' question
Row = Mapping[str, Any]


def score_measurements(rows: Sequence[Row], own: str, human: str) -> list[Measurement]:
    """Returns one judge's mean score of each origin, and its bias towards its own texts.

    Rows have item, candidate, score and state; rows of another state than "ok" are excluded.
    """
    measured = []
    for origin, of_origin in by_origin(rows):
        scores = [row["score"] for row in of_origin if row["state"] == "ok"]
        measured.append(of_rows("judge_score", origin, mean(scores), of_origin))
    return [*measured, _bias(rows, own, human)] if measured else []


def _bias(rows: Sequence[Row], own: str, human: str) -> Measurement:
    models = sorted({row["candidate"] for row in rows} - {human})
    by_item: dict[Any, dict[str, float]] = {}
    for row in rows:
        of_item = by_item.setdefault(row["item"], {})
        if row["state"] == "ok":
            of_item[row["candidate"]] = row["score"]
    complete = [of_item for of_item in by_item.values() if set(models) <= of_item.keys()]
    left = len(by_item) - len(complete)
    note = f"{left} items without a score of every model" if left else ""
    if own not in models or len(models) < 2:
        note = f"'{own}', the judge's own origin, is not among several synthetic origins"
        return Measurement(PROBE, "judge_score_bias", "own", None, 0, len(by_item), note)
    if not complete:
        return Measurement(PROBE, "judge_score_bias", "own", None, 0, left, note)
    differences = [
        of_item[own] - math.fsum(of_item[m] for m in models if m != own) / (len(models) - 1)
        for of_item in complete
    ]
    return Measurement(
        PROBE, "judge_score_bias", "own", mean(differences), len(complete), left, note
    )
