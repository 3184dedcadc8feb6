"""Builds the training set of a mix for one seed, from human rows and sources' responses."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import mixes
from manybaskets.files import InputError, read_jsonl, write_json, write_jsonl
from manybaskets.models.loading import load_tokenizer
from manybaskets.selection import rules
from manybaskets.stages.mixes import BuildMixSpec

HELP = "Builds the training set of a mix for one seed, from human rows and responses."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, BuildMixSpec)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--responses", type=Path, nargs="*", default=[])
    parser.add_argument("--selected", type=Path, nargs="?", help="rows of the mix's selection")
    parser.add_argument("--tokenizer", type=Path, nargs="?")
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--composition", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the rows in training order and the composition."""
    spec = options.spec
    human, prompts = read_jsonl(options.train), read_jsonl(options.prompts)
    recipe = mixes.MixRecipe(dict(spec.mix.origins), spec.mix.assign)
    assigned = mixes.assignment(recipe, spec.rows, spec.seed, human, prompts)
    responses = {(mixes.HUMAN, row["id"], 0): {**row, "state": "ok"} for row in human}
    if options.selected:
        selected = read_jsonl(options.selected)
        responses |= {(row["origin"], row["id"], row["sample"]): row for row in selected}
        slots = rules.fill(assigned, selected, mixes.HUMAN, spec.seed)
    else:
        for path in options.responses:
            source = path.parent.name
            responses |= {(source, row["id"], row["sample"]): row for row in read_jsonl(path)}
        slots = [(prompt, origin, 0) for prompt, origin in assigned]
    counted = spec.match == "tokens"
    try:
        rows, composition = mixes.compose(
            slots,
            responses,
            _token_counter(options.tokenizer, spec.trust_remote_code) if counted else None,
            spec.tokens if counted else None,
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    write_jsonl(options.rows, rows)
    write_json(options.composition, composition)
    print(json.dumps(composition))


def _token_counter(folder: Path, trusted: bool) -> Callable[[str], int]:
    """Returns a counter of tokens under the target's tokenizer, without a chat template."""
    tokenizer = load_tokenizer(folder, trusted)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
