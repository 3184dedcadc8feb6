"""Answers of judges to questions about single texts, and the measurements of them."""

import math
from typing import Any

from manybaskets.metrics.measurement import Measurement


def by_name(measurements: list[Measurement]) -> dict[tuple[str, str], Measurement]:
    """Measurements by metric and item set."""
    return {(measurement.metric, measurement.item_set): measurement for measurement in measurements}


def answered(question: str, item: int, origin: str, *probabilities: float) -> dict[str, Any]:
    """The row of an answer that gives the labels these probabilities."""
    told = {"question": question, "state": "ok", "item": item, "candidate": origin, "reason": ""}
    return {**told, "log_probs": [math.log(p) for p in probabilities]}
