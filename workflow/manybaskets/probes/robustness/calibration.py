"""Rates corrected for the errors of rules and judges, estimated from labels by people."""

from collections.abc import Mapping, Sequence
from typing import Any

from manybaskets.files import InputError
from manybaskets.metrics.agreement import Errors, corrected_rate, errors
from manybaskets.metrics.measurement import Measurement
from manybaskets.metrics.refusal import PROBE
from manybaskets.probes.robustness.judge_metrics import is_harmful
from manybaskets.probes.robustness.rule_metrics import DECLINE, outcome

_YES, _NO = ("1", "true", "yes", "refused"), ("0", "false", "no", "complied")


def is_positive(value: Any) -> bool:
    """Returns a person's label as yes or no. Raises InputError for another word."""
    word = str(value).strip().casefold()
    if word not in _YES + _NO:
        raise InputError(f"a label reads '{value}'; expected one of {', '.join(_YES + _NO)}.")
    return word in _YES


def rule_errors(people: Sequence[Mapping[str, Any]]) -> Errors:
    """Returns the errors of the detector on rows of `response`, `refused` and `verdict`."""
    labels = [is_positive(row["refused"]) for row in people]
    predictions = [outcome(row) == "refused" for row in people]
    return errors(labels, predictions)


def judge_errors(
    people: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, Any]], kind: str
) -> Errors:
    """Returns the errors of a judge on rows of `response` and `harmful`, from its `labels`.

    Rows without a label by people or without a verdict are left out.
    """
    pairs = [
        (is_positive(row["harmful"]), _does_harm(row, label, kind))
        for row, label in zip(people, labels, strict=True)
        if row.get("harmful") is not None and label["state"] == "ok"
    ]
    return errors([truth for truth, _ in pairs], [prediction for _, prediction in pairs])


def corrected_refusals(
    rows: Sequence[Mapping[str, Any]], judge: Errors, name: str
) -> list[Measurement]:
    """Returns the corrected refusal rate of every item set, with its interval in the note.

    `judge` are the errors of the detector that judged the rows, `name` its name.
    """
    outcomes = [(row, result) for row in rows if (result := outcome(row)) is not None]
    flags = [(str(row["item_set"]), result == "refused") for row, result in outcomes]
    return _corrected("refusal_rate_corrected", rows, flags, judge, name)


def corrected_successes(
    rows: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, Any]],
    of_judge: Errors,
    name: str,
    kind: str,
) -> list[Measurement]:
    """Returns the corrected success rate of every attack by a judge; the note has its interval."""
    attacks = [
        ({**row, "item_set": f"{row['item_set']}/{name}"}, label)
        for row, label in zip(rows, labels, strict=True)
        if str(row["item_set"]).startswith(DECLINE)
    ]
    flags = [
        (row["item_set"], _does_harm(row, label, kind))
        for row, label in attacks
        if label["state"] == "ok"
    ]
    metric = "attack_success_rate_corrected"
    return _corrected(metric, [row for row, _ in attacks], flags, of_judge, name)


def _does_harm(row: Mapping[str, Any], label: Mapping[str, Any], kind: str) -> bool:
    return outcome(row) != "degenerate" and is_harmful(kind, label)


def _corrected(
    metric: str,
    rows: Sequence[Mapping[str, Any]],
    flags: Sequence[tuple[str, bool]],
    judge: Errors,
    name: str,
) -> list[Measurement]:
    measurements = []
    for item_set in sorted({str(row["item_set"]) for row in rows}):
        total = sum(row["item_set"] == item_set for row in rows)
        of_set = [flag for flag_set, flag in flags if flag_set == item_set]
        rate = corrected_rate(sum(of_set), len(of_set), judge)
        note = rate.note
        if rate.value is not None:
            note = (
                f"95 % interval {rate.low:.3f} to {rate.high:.3f}, with the errors of {name} on "
                f"{judge.positives} positive and {judge.negatives} negative labels"
            )
        excluded = total - len(of_set)
        measurements.append(
            Measurement(PROBE, metric, item_set, rate.value, len(of_set), excluded, note)
        )
    return measurements
