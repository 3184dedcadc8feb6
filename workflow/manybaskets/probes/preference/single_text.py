"""Measures of a judge's answers about single texts: likelihood, and every text question.

The input is a judge's rows whose `question` is likelihood or the name of a text question; failed
rows are left out and counted by their state.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from manybaskets.metrics.measurement import Measurement
from manybaskets.probes.preference import text_questions
from manybaskets.probes.preference.pairs import Pairs
from manybaskets.probes.preference.preference import once, preference_scores, self_preference_bias
from manybaskets.probes.preference.text_question import (
    Identical,
    as_pairs,
    by_origin,
    of_pairs,
    of_rows,
)

Row = Mapping[str, Any]
LIKELIHOOD = "likelihood"


def question_measurements(rows: Sequence[Row], own: str | None, human: str) -> list[Measurement]:
    """Returns every measure of one judge's answers about single texts."""
    identical = {
        (row["item"], frozenset((row["first"], row["second"])))
        for row in rows
        if row.get("state") == "identical" and not row.get("control")
    }
    measured: list[Measurement] = []
    for name in (LIKELIHOOD, *text_questions.known()):
        answers = [row for row in rows if row.get("question") == name]
        if answers and name == LIKELIHOOD:
            measured += _likelihood(answers, identical, own, human)
        elif answers:
            question = text_questions.question(name)
            measured += question.measurements(answers, identical, own, human)
    return measured


def likelihood_pairs(rows: Iterable[Row], identical: Identical = ()) -> Pairs:
    """Returns pairs of candidates judged by likelihood: the more probable per byte wins.

    The preference is 1 for more probable, 0 for less, 0.5 for equal, in both orders. Identical
    texts, and texts without a known likelihood, are dropped and counted.
    """
    return as_pairs(rows, _per_byte, identical)


def _likelihood(
    rows: Sequence[Row],
    identical: Identical,
    own: str | None,
    human: str,
) -> list[Measurement]:
    measurements = []
    for origin, of_origin in by_origin(rows):
        known = [row for row in of_origin if row["state"] == "ok"]
        size = sum(row["bytes"] for row in known)
        value = sum(row["nats"] for row in known) / math.log(2) / size if size else None
        measurements.append(of_rows("candidate_bits_per_byte", origin, value, of_origin))
    pairs = likelihood_pairs(rows, identical)
    try:
        scores = preference_scores(pairs, once(pairs))
    except ValueError as error:
        names = [("likelihood_preference", origin) for origin in pairs.judged]
        return measurements + [
            of_pairs(metric, item_set, pairs, None, str(error))
            for metric, item_set in (*names, ("likelihood_bias", "own"))
        ]
    for origin, score in scores.items():
        turned = pairs.towards(origin)
        measurements.append(of_pairs("likelihood_preference", origin, turned, float(score[0])))
    try:
        bias = float(self_preference_bias(scores, own or "nobody's text", human)[0])
        measurements.append(of_pairs("likelihood_bias", "own", pairs, bias))
    except ValueError as error:
        measurements.append(of_pairs("likelihood_bias", "own", pairs, None, str(error)))
    return measurements


def _per_byte(row: Row) -> float:
    """Negative log-likelihood in nats per UTF-8 byte."""
    return float(row["nats"] / row["bytes"])
