"""Labels for a file of prompts and responses, by rules or models, and their summary.

`manybaskets judge` runs these functions. No text of a response goes into a label.
"""

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from manybaskets.data.evaluations.answers import AnswerFile
from manybaskets.data.tables.shapes import has, lookup
from manybaskets.data.tables.values import kind_of, text_of
from manybaskets.files import InputError, canonical_json
from manybaskets.metrics import refusal_phrase_lists
from manybaskets.metrics.agreement import corrected_rate, errors, kappa
from manybaskets.metrics.degeneration import degenerate
from manybaskets.probes.robustness import refusal_verdicts
from manybaskets.probes.robustness.calibration import is_positive
from manybaskets.probes.robustness.judge_metrics import is_harmful
from manybaskets.probes.robustness.rule_metrics import outcome

REFUSAL = "refusal"
MISSING = "missing"  # the state of a row without a response
RULES = "refusal-rules"
DETECTORS = (REFUSAL, RULES)
Labels = list[dict[str, Any]]


def rows_of(file: AnswerFile) -> list[dict[str, Any]]:
    """Returns rows of id, prompt, response and state, with all fields of the file under `fields`.

    A blank response has the state `empty`. A response that is not a text or ends within its
    reasoning is None, with the state `missing` and the reason.
    """
    return [
        {
            "id": number,
            "prompt": answer.whole_prompt,
            "response": answer.response,
            "state": _state(answer.response),
            "reason": answer.reason,
            "fields": answer.fields,
        }
        for number, answer in enumerate(file.answers, start=1)
    ]


def with_missing(labels: Labels, rows: Sequence[Mapping[str, Any]]) -> Labels:
    """Returns a judge's labels with the state `missing` and its reason where no response is."""
    return [
        {**label, "state": MISSING, "reason": row["reason"]} if row["state"] == MISSING else label
        for label, row in zip(labels, rows, strict=True)
    ]


def by_detector(rows: Sequence[Mapping[str, Any]], by: str) -> Labels:
    """Returns labels of each row: outcome, refusal and its kind, degeneration, legacy lists.

    `by` is REFUSAL (the learned detector) or RULES. A response in a language without a detector has
    the state `unjudged` and no outcome.
    """
    labels = []
    judged = refusal_verdicts.annotated(rows, "rules" if by == RULES else "learned")
    for row in judged:
        label: dict[str, Any] = {"id": row["id"], "state": "ok", "reason": ""}
        if row["state"] == MISSING:
            labels.append({**label, "state": MISSING, "reason": row["reason"]})
            continue
        if row["verdict"] == "unjudged":
            language = refusal_verdicts.language(row["response"]) or "unknown"
            label["state"] = "unjudged"
            label["reason"] = f"there is no refusal detector for the language ({language})"
        label["outcome"] = outcome(row)
        label["refused"] = None if label["state"] == "unjudged" else label["outcome"] == "refused"
        if by == REFUSAL:
            label["refusal_kind"] = row["refusal_kind"]
        label["degenerate"] = degenerate(row["response"])
        for name, rule in refusal_phrase_lists.LISTS.items():
            label[f"list_{name}"] = rule(row["response"])
        labels.append(label)
    return labels


def written(labels: Mapping[str, Labels], as_json: bool) -> str:
    """Returns one line per row, as JSON lines or as CSV.

    With several judges, the name of every field begins with that of its judge.
    """
    rows = []
    for parts in zip(*labels.values(), strict=True):
        row: dict[str, Any] = {"row": parts[0]["id"]}
        for name, part in zip(labels, parts, strict=True):
            prefix = f"{name}." if len(labels) > 1 else ""
            row |= {f"{prefix}{key}": value for key, value in part.items() if key != "id"}
        rows.append(row)
    if as_json:
        return "".join(canonical_json(row) + "\n" for row in rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def summary(
    labels: Mapping[str, Labels],
    people: Sequence[bool | None] | None = None,
) -> dict[str, Any]:
    """Returns each judge's rates, agreement of every two, and agreement with people's labels.

    `people` contains whether each row is positive for the judge's question (refuses, for the
    rules; is harmful, for a model), None where it has no label.
    """
    summaries: dict[str, Any] = {}
    for name, of_judge in labels.items():
        judged = [label for label in of_judge if label["state"] == "ok"]
        states = [str(label["state"]) for label in of_judge]
        entry: dict[str, Any] = {"rows": len(of_judge)}
        entry["states"] = {state: states.count(state) for state in sorted(set(states))}
        flags = [_positive(name, label) for label in judged]
        key = "refusal_rate" if name in DETECTORS else "harm_rate"
        entry[key] = sum(flags) / len(flags) if flags else None
        if name in DETECTORS:
            babble = sum(bool(label["degenerate"]) for label in judged)
            entry["degenerate_rate"] = babble / len(judged) if judged else None
        if people is not None:
            entry |= _against_people(name, of_judge, people)
        summaries[name] = entry
    for first, second in itertools.combinations(labels, 2):
        pairs = [
            (_harm(first, a), _harm(second, b))
            for a, b in zip(labels[first], labels[second], strict=True)
            if a["state"] == b["state"] == "ok"
        ]
        agreed = kappa([a for a, _ in pairs], [b for _, b in pairs])
        summaries.setdefault("agreement", {})[f"{first}/{second}"] = agreed._asdict()
    return summaries


def people_labels(
    rows: Sequence[Mapping[str, Any]],
    field: str,
    negative: Sequence[str] = (),
    positive: Sequence[str] = (),
) -> list[bool | None]:
    """Returns a field of people's labels as yes and no, None where it is empty.

    Labels in `positive` mean yes, labels in `negative` no. If only one of the two is given, all
    other labels have the other meaning; if none is, labels are yes, no, true, false, 1 or 0. Raises
    InputError for a row without the field, for another word, and for a given label that no row has.
    """
    labels: list[bool | None] = []
    seen: set[str] = set()
    for row in rows:
        value = lookup(row["fields"], field) if has(row["fields"], field) else _no_field(row, field)
        word = _word(value, f"row {row['id']}, {field}")
        seen.add(word)
        labels.append(_meaning(word, row, negative, positive) if word else None)
    if unknown := [word for word in (*positive, *negative) if word not in seen]:
        raise InputError(
            f"no row has the label '{unknown[0]}' in the field '{field}'; it has "
            f"{', '.join(sorted(filter(None, seen))[:12])}. Correct --positive or --negative."
        )
    return labels


def words_of(options: Sequence[str]) -> list[str]:
    """Returns the labels that repeated options name, each one label or several with commas."""
    return [word.strip() for option in options for word in option.split(",") if word.strip()]


def _meaning(
    word: str, row: Mapping[str, Any], negative: Sequence[str], positive: Sequence[str]
) -> bool:
    if word in positive:
        return True
    if word in negative:
        return False
    if positive and negative:
        raise InputError(
            f"row {row['id']}: the label '{word}' is neither in --positive nor in --negative. Add "
            "it to one of them."
        )
    return bool(negative) if positive or negative else is_positive(word)


def _word(value: Any, where: str) -> str:
    """Returns a label as a word; "" where there is none."""
    if kind_of(value) in ("null", "NaN"):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}"
    return text_of(value, where).strip()


def _no_field(row: Mapping[str, Any], field: str) -> Any:
    raise InputError(f"row {row['id']} has no field '{field}', only {', '.join(row['fields'])}.")


def _state(response: str | None) -> str:
    if response is None:
        return MISSING
    return "ok" if response.strip() else "empty"


def _against_people(name: str, labels: Labels, people: Sequence[bool | None]) -> dict[str, Any]:
    pairs = [
        (person, _positive(name, label))
        for person, label in zip(people, labels, strict=True)
        if person is not None and label["state"] == "ok"
    ]
    people_flags, judge_flags = [a for a, _ in pairs], [b for _, b in pairs]
    of_judge = errors(people_flags, judge_flags)
    all_flags = [_positive(name, label) for label in labels if label["state"] == "ok"]
    agreed = [a == b for a, b in pairs]
    return {
        "labelled": len(pairs),
        "accuracy": sum(agreed) / len(agreed) if agreed else None,
        "kappa": kappa(people_flags, judge_flags)._asdict(),
        "sensitivity": of_judge.sensitivity,
        "specificity": of_judge.specificity,
        "corrected_rate": corrected_rate(sum(all_flags), len(all_flags), of_judge)._asdict(),
    }


def _positive(name: str, label: Mapping[str, Any]) -> bool:
    return bool(label["refused"]) if name in DETECTORS else is_harmful(name, label)


def _harm(name: str, label: Mapping[str, Any]) -> bool:
    return label["outcome"] == "complied" if name in DETECTORS else is_harmful(name, label)
