"""The interface of a question that judges answer about one text at a time, by one of its labels.

Each module of `text_questions/` contains one, under the name QUESTION; a study refers to it by the
name of the file (`probes.preference.questions`). Rows of answers have the keys item, candidate (the
origin), state, reason and log_probs (natural, of the labels).
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from manybaskets.metrics.measurement import Measurement
from manybaskets.metrics.registry import Metric
from manybaskets.probes.preference.pairs import Pairs, tabulate

PROBE = "preference"
Row = Mapping[str, Any]
Identical = Iterable[tuple[Any, frozenset[str]]]  # items, and two origins with the same text


class TextQuestion:
    """Base class of questions. Define `labels`, `words`, `prompt` or `template`, and `metric` with
    `value`, or else `measurements`."""

    labels: ClassVar[tuple[str, ...]]
    """The labels among which the judge chooses."""
    words: ClassVar[str]
    """The question as an object of "Also requested was …", in the methods text."""
    prompt: ClassVar[str] = ""
    """The text of the question, with {text} (the writer's task) and {candidate}."""
    template: ClassVar[str] = ""
    """Instead of `prompt`: a name under `resources/prompts/`; `<name>-answers` for instructions."""
    may_lack: ClassVar[int] = 0
    """How many labels may be missing from an endpoint's likeliest tokens."""
    metric: ClassVar[Metric | None] = None
    """The metric whose value for an origin is the mean of `value` over its texts."""

    def value(self, log_probs: Sequence[float | None]) -> float:
        """Returns the value of one answer."""
        raise NotImplementedError

    def measurements(
        self, rows: Sequence[Row], identical: Identical, own: str | None, human: str
    ) -> list[Measurement]:
        """Returns the measurements of one judge. `own` is the judge's own origin."""
        assert self.metric is not None
        measured = []
        for origin, of_origin in by_origin(rows):
            values = [self.value(row["log_probs"]) for row in of_origin if row["state"] == "ok"]
            measured.append(of_rows(self.metric.name, origin, mean(values), of_origin))
        return measured


def share_of_first(log_probs: Sequence[float | None]) -> float:
    """Returns the probability of the first of two labels, as a share of both."""
    first, second = log_probs
    assert first is not None and second is not None
    return 1 / (1 + math.exp(min(second - first, 700.0)))


def by_origin(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Returns the rows of each origin, by its name."""
    names = sorted({row["candidate"] for row in rows})
    return [(name, [row for row in rows if row["candidate"] == name]) for name in names]


def mean(values: Sequence[float]) -> float | None:
    """Returns the mean; None without values."""
    return math.fsum(values) / len(values) if values else None


def of_rows(metric: str, item_set: str, value: float | None, rows: Sequence[Row]) -> Measurement:
    """Returns a measurement over rows; those that failed are counted by their state in its note."""
    states = Counter(row["state"].replace("_", " ") for row in rows if row["state"] != "ok")
    excluded = sum(states.values())
    note = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    if value is None:
        reason = next((row["reason"] for row in rows if row.get("reason")), "nothing was answered")
        note = f"{note}; the first: {reason}" if note else reason
    return Measurement(PROBE, metric, item_set, value, len(rows) - excluded, excluded, note)


def of_pairs(
    metric: str, item_set: str, pairs: Pairs, value: float | None, reason: str = ""
) -> Measurement:
    """Returns a measurement over pairs; those that were dropped are counted by their reason."""
    states = Counter(dropped.reason for dropped in pairs.dropped)
    note = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    note = "; ".join(filter(None, [reason, note]))
    return Measurement(PROBE, metric, item_set, value, len(pairs), len(pairs.dropped), note)


def as_pairs(rows: Iterable[Row], cost: Callable[[Row], float], identical: Identical) -> Pairs:
    """Returns the pairs of candidates of each item, with the one of lower `cost` preferred."""
    same = set(identical)
    by_item: dict[Any, list[Row]] = {}
    for row in rows:
        by_item.setdefault(row["item"], []).append(row)
    judgements = []
    for item, of_item in by_item.items():
        for first, second in itertools.combinations(of_item, 2):
            names = first["candidate"], second["candidate"]
            failures = [row["state"] for row in (first, second) if row["state"] != "ok"]
            state = failures[0] if failures else "ok"
            if (item, frozenset(names)) in same:
                state = "identical"
            p_first = None if failures else float(np.heaviside(cost(second) - cost(first), 0.5))
            pair = {"item": item, "a": names[0], "b": names[1], "p_a": p_first, "state": state}
            judgements += [{**pair, "order": "ab"}, {**pair, "order": "ba"}]
    return tabulate(judgements)
