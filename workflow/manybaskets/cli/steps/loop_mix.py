"""Builds the training set of one generation of a loop from the responses of earlier ones."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import loops, mixes
from manybaskets.data.divergence import Diverged
from manybaskets.files import InputError, read_jsonl, write_json, write_jsonl
from manybaskets.selection import rules
from manybaskets.stages.loops import LoopMixSpec

HELP = "Builds the training set of one generation of a loop, according to its regime."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, LoopMixSpec)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--first", type=Path, nargs="?", help="the rows of generation 1")
    parser.add_argument("--written", type=Path, nargs="+", required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--composition", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the rows in training order and the composition."""
    spec = options.spec
    human, prompts = read_jsonl(options.train), read_jsonl(options.prompts)
    known = {(mixes.HUMAN, row["id"], 0): {**row, "state": "ok"} for row in human}
    by_origin: dict[str, list[dict[str, Any]]] = {}
    for path in options.written:
        for row in read_jsonl(path, ["origin"]):
            known[row["origin"], row["id"], row["sample"]] = row
            by_origin.setdefault(row["origin"], []).append(row)
    joined, dropped, cut = [], Counter[str](), Counter[str]()
    for described in spec.joined:
        joining = loops.Joining(**described.model_dump())
        try:
            slots = loops.slots(joining, spec.rows, spec.seed, human, prompts)
        except ValueError as error:
            raise InputError(str(error)) from None
        written = [row for writer in joining.writers for row in by_origin.get(writer, ())]
        filled = rules.fill(slots, written, mixes.HUMAN, spec.seed)
        rows, composed = mixes.compose(filled, known)
        joined.append(rows)
        dropped.update(composed["dropped"])
        cut.update(composed["cut"])
    first = read_jsonl(options.first) if options.first else []
    training_rows = loops.training_set(spec.regime, first, joined, spec.rows, spec.seed)
    if not training_rows:
        raise Diverged(f"none of {sum(map(len, by_origin.values()))} written rows is usable")
    composition = loops.composition(training_rows, dropped, cut)
    write_jsonl(options.rows, training_rows)
    write_json(options.composition, composition)
    print(json.dumps(composition))
