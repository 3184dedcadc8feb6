"""Selects the responses that a mix is trained on, from their scores."""

import argparse
import json
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data.divergence import Diverged
from manybaskets.files import InputError, read_jsonl, write_jsonl
from manybaskets.selection import rules
from manybaskets.stages.selection import SelectSpec

HELP = "Selects the responses of a mix that pass its rule, from their scores."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, SelectSpec)
    parser.add_argument("--verdicts", type=Path, required=True)
    parser.add_argument(
        "--like", type=Path, nargs="?", help="scores of the mix whose keep rate is matched"
    )
    parser.add_argument("--rows", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the selected rows."""
    spec = options.spec
    select = spec.select.model_dump()
    follows = spec.like.plain() if spec.like else None
    settings, seed = select, spec.seed
    verifier = settings["verifier"]
    like = read_jsonl(options.like) if options.like else []
    rule = rules.Rule.of_verdicts(select, follows, like, seed)
    rows = rules.decide(read_jsonl(options.verdicts), spec.accepts_from, verifier["noise"], seed)
    passed = rules.passes(rule, rows, seed)
    try:
        selected = rules.take(rows, passed, settings["on_shortfall"], seed, f"mixes.{spec.name}")
    except rules.TooFewError as error:
        # a loop ends where its verifier accepts no response
        raise (Diverged if spec.in_loop else InputError)(str(error)) from None
    counts = {
        "pool": len(rows),
        "unscored": sum(row["score"] is None for row in rows),
        "passed": sum(passed),
        "taken": len(selected),
        "different": len({(row["origin"], row["id"], row["sample"]) for row in selected}),
    }
    write_jsonl(options.rows, selected)
    print(json.dumps(counts))
