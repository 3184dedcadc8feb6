"""Measures preferences and biases of judges from files of judgements, without a study."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from manybaskets.data.evaluations.judgements import read_judgements
from manybaskets.data.tables.formats import FORMATS
from manybaskets.data.tables.values import name_of
from manybaskets.files import InputError
from manybaskets.metrics import registry
from manybaskets.probes.preference import measures, scores, single_text
from manybaskets.probes.preference.pairs import ALONE

# Fields of rows about single texts, by their question; other questions have log_probs.
NEEDED = {"likelihood": ("nats", "bytes"), scores.SCORE: ("score",)}
HELP = "Measures preferences, self-preference and position bias of judges from their judgements."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        help="judgements of any judges, annotations of AlpacaEval or judgements of MT-bench: "
        f"{FORMATS}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--human", default="human", help="name of the human texts' origin")
    parser.add_argument(
        "--own",
        action="append",
        default=[],
        metavar="JUDGE=ORIGIN",
        help="origin of a judge's own texts, if its name differs from the judge's (repeatable)",
    )


def run(options: argparse.Namespace) -> None:
    """Prints the measures of every judge in the files."""
    rows = []
    for path, name in zip(options.files, _names(options.files), strict=True):
        of_file, description = read_judgements(path)
        print(description, file=sys.stderr)
        rows += [name | _named(row, f"{path}, row {n}") for n, row in enumerate(of_file, start=1)]
    for option in options.own:
        judge, separator, origin = option.partition("=")
        if not separator or not any(row.get("judge", ALONE) == judge for row in rows):
            raise InputError(
                f"--own {option}: there is no such judge. Write JUDGE=ORIGIN with one of "
                f"{', '.join(sorted({str(row.get('judge', ALONE)) for row in rows}))}."
            )
        rows = [{**row, "own": origin} if row.get("judge", ALONE) == judge else row for row in rows]
    findings = measures.findings(rows, options.human, ", ".join(map(str, options.files)))
    findings += _of_questions(rows, options.human)
    if not findings:
        raise InputError(
            f"{options.files[0]}: it contains no judgement of a pair. Name files of judgements."
        )
    if options.json:
        json.dump(_as_json(findings), sys.stdout, indent=1, ensure_ascii=False, allow_nan=False)
        print()
    else:
        print("\n".join(_lines(findings)))


def _named(row: dict[str, Any], where: str) -> dict[str, Any]:
    """Returns a row whose judge, if it names one, is a text."""
    if row.get("judge") in (None, ""):
        return {key: value for key, value in row.items() if key != "judge"}
    return {**row, "judge": name_of(row["judge"], f"{where}, judge")}


def _of_questions(rows: Sequence[dict[str, Any]], human: str) -> list[measures.Finding]:
    """Returns each judge's measures from questions about single texts, without intervals."""
    rows = [{"judge": ALONE, "state": "ok", "reason": "", **row} for row in rows]
    single = [row for row in rows if row.get("question", "pair") != "pair"]
    for number, row in enumerate(single, start=1):
        needed = NEEDED.get(row["question"], ("log_probs",))
        needed = ("item", "candidate", *(needed if row["state"] == "ok" else ()))
        if lacking := [name for name in needed if row.get(name) is None]:
            raise InputError(
                f"question {number} about a single text: the field '{lacking[0]}' is missing. Rows "
                f"of {row['question']} have {', '.join(needed)}."
            )
    findings = []
    for judge in sorted({row["judge"] for row in single}):
        # A text of an item is judged once in every seed.
        of_judge = [
            {**row, "item": f"{row['item']} {row.get('seed', '')}"}
            for row in rows
            if row["judge"] == judge and "item" in row
        ]
        own = next((row["own"] for row in of_judge if row.get("own")), judge)
        of_scores = [row for row in of_judge if row.get("question") == scores.SCORE]
        findings += [
            measures.Finding(
                judge, m.metric, m.item_set, m.value, None, None, m.n, m.excluded, m.note
            )
            for m in (
                *single_text.question_measurements(of_judge, own, human),
                *scores.score_measurements(of_scores, own, human),
            )
        ]
    return findings


def _names(files: Sequence[Path]) -> list[dict[str, str]]:
    """Returns the judge of each file's rows that name none: the distinct parts of its path."""
    parts = [list(path.with_suffix("").parts) for path in files]
    if len(parts) < 2:
        return [{} for _ in parts]
    for end in (0, -1):
        while all(len(of_path) > 1 for of_path in parts) and len({p[end] for p in parts}) == 1:
            for of_path in parts:
                del of_path[end]
    return [{"judge": "/".join(of_path)} for of_path in parts]


def _as_json(findings: Sequence[measures.Finding]) -> dict[str, Any]:
    return {
        "findings": [
            {
                "judge": finding.judge,
                "metric": finding.metric,
                "item_set": finding.item_set,
                "value": finding.value,
                "interval": None if finding.low is None else [finding.low, finding.high],
                "n": finding.n,
                "excluded": finding.excluded,
                "note": finding.note,
            }
            for finding in findings
        ],
        "interval": "95 %, bootstrap over items (and seeds, where there are several)",
        "definitions": {
            metric: registry.metric(metric).definition for metric in {f.metric for f in findings}
        },
    }


def _lines(findings: Sequence[measures.Finding]) -> Iterator[str]:
    judges = list(dict.fromkeys(finding.judge for finding in findings))
    for judge in judges:
        of_judge = [finding for finding in findings if finding.judge == judge]
        yield "All judges" if judge == measures.ALL else f"Judge {judge}"
        notes = list(dict.fromkeys(finding.note for finding in of_judge if finding.note))
        width = max(len(f"{finding.metric} {finding.item_set}") for finding in of_judge)
        yield f"  {'':{width}}    value       95 % interval       n  left out"
        for finding in of_judge:
            name = f"{finding.metric} {finding.item_set}"
            value = "–" if finding.value is None else f"{finding.value:.3f}"
            interval = "" if finding.low is None else f"{finding.low:.3f} to {finding.high:.3f}"
            mark = f"  [{notes.index(finding.note) + 1}]" if finding.note else ""
            counts = f"{finding.n:>7} {finding.excluded:>9}"
            yield f"  {name:{width}} {value:>8}  {interval:>18} {counts}{mark}"
        yield from (f"  [{number}] {note}" for number, note in enumerate(notes, start=1))
        yield ""
    yield "Definitions: findings/dictionary.csv of a study, or --json."
