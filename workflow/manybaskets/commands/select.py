"""Decides which responses of a mix are trained on, and measures what the verifier did."""

import argparse
import json
from pathlib import Path

from manybaskets import selection, verification
from manybaskets.files import BadFile, read_jsonl, write_json, write_jsonl
from manybaskets.measurements import to_json
from manybaskets.rouge import agreement
from manybaskets.seeds import derived_seed

HELP = "Keeps the responses of a mix that its rule asks for, and measures what that did."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--verdicts", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--measured", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the rows that were taken, and the measurements."""
    spec = options.spec
    settings, seed = spec["select"], spec["seed"]
    verifier, rule = settings["verifier"], selection.Rule.of(settings)
    rows = selection.decide(
        read_jsonl(options.verdicts), spec["accepts_from"], verifier["noise"], seed
    )
    passed = selection.passes(rule, rows, seed)
    try:
        taken = selection.take(rows, passed, settings["short"], seed, f"mixes.{spec['name']}")
    except selection.TooFewError as error:
        raise BadFile(str(error)) from None
    references = {row["id"]: row["response"] for row in read_jsonl(options.train)}
    metric = verifier["metric"]
    agreements = [
        agreement(metric, references[row["id"]], row["response"])
        if row["id"] in references
        else None
        for row in rows
    ]
    found = verification.measured(
        rows,
        passed,
        selection.passes_held_out(rule, rows, seed),
        agreements,
        metric,
        derived_seed(seed, "interval of p*"),
    )
    counts = {
        "pool": len(rows),
        "unscored": sum(row["score"] is None for row in rows),
        "passed": sum(passed),
        "taken": len(taken),
        "different": len({(row["origin"], row["id"], row["sample"]) for row in taken}),
    }
    write_jsonl(options.rows, taken)
    write_json(options.measured, {**counts, "measurements": to_json(found)})
    print(json.dumps(counts))
