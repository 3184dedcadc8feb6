"""Verifiers: scores of synthetic responses; higher is better.

A score is a finite number, or None with a reason; a response without text has none. Knows what is
scored and how; which rows then pass is `selection`'s.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manybaskets.metrics.rouge import agreement
from manybaskets.seeds import generator
from manybaskets.selection.rules import USABLE
from manybaskets.serving.client import LabelReply, LabelRequest

Row = dict[str, Any]
Score = tuple[float | None, str]  # and why there is none


def key(row: Mapping[str, Any]) -> str:
    """One string per response of a pool."""
    return f"{row['origin']}|{row['id']}|{row['sample']}"


def scored(rows: Sequence[Row], score: Callable[[Row], Score]) -> list[Row]:
    """The rows with `score` and, where there is none, its reason."""
    found = []
    for row in rows:
        value, why = (
            score(row)
            if row["state"] in USABLE
            else (None, row["reason"] or f"the response is {row['state']}")
        )
        if value is not None and not math.isfinite(value):
            value, why = None, f"the score is {value}"
        found.append({**row, "score": value, "reason": row["reason"] if value is not None else why})
    return found


def by_reference(references: Mapping[str, str], metric: str) -> Callable[[Row], Score]:
    """Agreement with the human response to the prompt; `metric` as in `rouge.agreement`."""

    def score(row: Row) -> Score:
        if row["id"] not in references:
            return None, "the prompt has no human response"
        value = agreement(metric, references[row["id"]], row["response"])
        return value, "" if value is not None else "the human response has no number"

    return score


def by_length(row: Row) -> Score:
    """Words of the response."""
    return float(len(row["response"].split())), ""


def at_random(seed: int) -> Callable[[Row], Score]:
    """A draw from [0, 1) for every row."""
    return lambda row: (generator(seed, "random verifier", key(row)).random(), "")


def by_likelihood(log_probs: Mapping[str, float]) -> Callable[[Row], Score]:
    """Mean log-probability per token, in nats, from what was measured of rows by `key`."""

    def score(row: Row) -> Score:
        value = log_probs.get(key(row))
        return value, "" if value is not None else "longer than the model's context"

    return score


def by_classifier(scores: Mapping[str, float]) -> Callable[[Row], Score]:
    """What a classifier gave rows, by `key`."""
    return lambda row: (scores[key(row)], "")


def label_requests(rows: Sequence[Row], rubric: str, labels: tuple[str, str]) -> list[LabelRequest]:
    """What a judge is asked about the usable rows; `rubric` has {prompt} and {response}."""
    return [
        LabelRequest(
            id=key(row),
            messages=({"role": "user", "content": filled(rubric, row)},),
            labels=labels,
        )
        for row in rows
        if row["state"] in USABLE
    ]


def filled(rubric: str, row: Row) -> str:
    """The rubric with a row's prompt and response, whatever braces those have."""
    before, _, rest = rubric.strip().partition("{prompt}")
    between, _, after = rest.partition("{response}")
    return f"{before}{row['prompt']}{between}{row['response']}{after}"


def by_judge(replies: Sequence[LabelReply]) -> Callable[[Row], Score]:
    """Probability of the first label among the two."""
    answers = {reply.id: reply for reply in replies}

    def score(row: Row) -> Score:
        reply = answers[key(row)]
        if reply.state != "ok":
            return None, f"the judge: {reply.reason or reply.state}"
        yes, no = reply.log_probs
        if yes is None and no is None:
            return None, "the judge gave neither label"
        # A label that an endpoint did not return is less likely than all it did.
        if yes is None or no is None:
            return float(no is None), ""
        return 1 / (1 + math.exp(min(no - yes, 700.0))), ""

    return score
