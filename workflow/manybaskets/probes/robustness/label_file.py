"""Labels for a file of prompts and responses, by rules or models, and their summary.

`manybaskets judge` runs these functions. Rows come from JSON lines, a JSON array or
CSV, whatever their other fields; no text of a response goes into a label.
"""

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manybaskets.files import InputError, canonical_json, read_jsonl
from manybaskets.metrics import refusal_phrase_lists
from manybaskets.metrics.agreement import corrected_rate, errors, kappa
from manybaskets.metrics.degeneration import degenerate
from manybaskets.probes.robustness.calibration import is_positive
from manybaskets.probes.robustness.judge_metrics import is_harmful
from manybaskets.probes.robustness.rule_metrics import outcome

REFUSAL = "refusal"
Labels = list[dict[str, Any]]


def read_rows(path: Path, prompt: str, response: str) -> list[dict[str, Any]]:
    """Returns rows of id, prompt, response and state, with all fields of the file under `fields`.

    A row without a response has the state `empty`. Raises InputError for a file that cannot be
    read, or that lacks a field.
    """
    if path.suffix.lower() in (".csv", ".tsv"):
        rows = _csv_rows(path, [prompt, response])
    else:
        rows = read_jsonl(path, [prompt, response])
    return [
        {
            "id": number,
            "prompt": str(row[prompt] or ""),
            "response": str(row[response] or ""),
            "state": "ok" if str(row[response] or "").strip() else "empty",
            "fields": row,
        }
        for number, row in enumerate(rows, start=1)
    ]


def by_rules(rows: Sequence[Mapping[str, Any]]) -> Labels:
    """Returns the rules' labels of each row: outcome, refusal, degeneration, legacy lists."""
    labels = []
    for row in rows:
        label: dict[str, Any] = {"id": row["id"], "state": "ok", "reason": ""}
        label["outcome"] = outcome(row)
        label["refused"] = label["outcome"] == "refused"
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
        key = "refusal_rate" if name == REFUSAL else "harm_rate"
        entry[key] = sum(flags) / len(flags) if flags else None
        if name == REFUSAL:
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
    rows: Sequence[Mapping[str, Any]], field: str, negative: Sequence[str]
) -> list[bool | None]:
    """Returns a field of people's labels as yes and no, None where it is empty.

    With `negative`, those values mean no and all others yes; otherwise yes, no, true, false, 1, 0.
    Raises InputError for a row without the field, and for another word.
    """
    labels: list[bool | None] = []
    for row in rows:
        if field not in row["fields"]:
            raise InputError(
                f"row {row['id']} has no field '{field}', only {', '.join(row['fields'])}."
            )
        value = row["fields"][field]
        if value is None or str(value).strip() == "":
            labels.append(None)
        elif negative:
            labels.append(str(value).strip() not in negative)
        else:
            labels.append(is_positive(value))
    return labels


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
    return bool(label["refused"]) if name == REFUSAL else is_harmful(name, label)


def _harm(name: str, label: Mapping[str, Any]) -> bool:
    return label["outcome"] == "complied" if name == REFUSAL else is_harmful(name, label)


def _csv_rows(path: Path, required: Sequence[str]) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Check the path.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8."
        ) from None
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    for field in required:
        if field not in (reader.fieldnames or ()):
            raise InputError(
                f"{path}: the column '{field}' is missing; the file has "
                f"{', '.join(reader.fieldnames or ()) or 'none'}. Name the right one."
            )
    rows = list(reader)
    if not rows:
        raise InputError(f"{path}: the file has no row.")
    return rows
