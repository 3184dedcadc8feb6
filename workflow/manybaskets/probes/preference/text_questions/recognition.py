"""Whether the judge wrote a text."""

import math
from collections.abc import Sequence

from manybaskets.metrics.measurement import Measurement
from manybaskets.probes.preference.text_question import (
    Identical,
    Row,
    TextQuestion,
    as_pairs,
    by_origin,
    mean,
    of_pairs,
    of_rows,
    share_of_first,
)


class Recognition(TextQuestion):
    """The probability of yes, and how often the judge's own text has the higher one."""

    labels = ("Yes", "No")
    words = "whether the judge wrote it"
    template = "recognize"

    def measurements(
        self, rows: Sequence[Row], identical: Identical, own: str | None, human: str
    ) -> list[Measurement]:
        """Recognition by origin, the probability of both labels, and self-recognition."""
        measured = []
        for origin, of_origin in by_origin(rows):
            values = [share_of_first(row["log_probs"]) for row in of_origin if row["state"] == "ok"]
            measured.append(of_rows("recognition", origin, mean(values), of_origin))
        mass = [sum(map(math.exp, row["log_probs"])) for row in rows if row["state"] == "ok"]
        measured.append(of_rows("recognition_mass", "texts", mean(mass), rows))
        pairs = as_pairs(rows, lambda row: -share_of_first(row["log_probs"]), identical)
        mine = pairs.without(human).towards(own or "")
        value = float(mine.preference.mean()) if len(mine) else None
        reason = f"'{own or 'nobody'}' is not among the synthetic origins in question"
        return [
            *measured,
            of_pairs("self_recognition", "own", mine, value, "" if len(mine) else reason),
        ]


QUESTION = Recognition()
