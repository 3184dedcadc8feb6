"""Asks a source for its responses to the training prompts it must answer."""

import argparse
import json
from pathlib import Path

from manybaskets import mixes, recorded, serving
from manybaskets.files import BadFile, read_jsonl, write_jsonl

HELP = "Generates a source's responses to the prompts that the mixes give it."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--extend", action="store_true", help="keep the answers that the output has already"
    )


def run(options: argparse.Namespace) -> None:
    """Writes one row per prompt, in the order of the prompts."""
    spec = options.spec
    human, prompts = read_jsonl(options.train), read_jsonl(options.prompts)
    needed = set()
    for mix in spec["mixes"]:
        recipe = mixes.Recipe(dict(mix["origins"]), mix["assign"])
        assigned = mixes.assignment(recipe, spec["rows"], spec["seed"], human, prompts)
        needed |= {prompt for prompt, origin in assigned if origin == spec["source"]["name"]}
    asked = [row for row in prompts if row["id"] in needed]
    if spec["source"]["recorded"]:
        rows = recorded.answers(spec["source"], asked)
    else:
        there = options.extend and options.output.exists()
        known = {row["id"]: row for row in read_jsonl(options.output)} if there else {}
        known = {key: row for key, row in known.items() if row["state"] != "failed"}
        new = [row for row in asked if row["id"] not in known]
        if known:
            print(f"{len(asked) - len(new)} of {len(asked)} answers are there already")
        if new:
            purpose = (spec["seed"], "generate")
            answers = serving.source_rows(spec, new, purpose, options.model, options.output)
            known |= {row["id"]: row for row in answers}
        rows = [known[row["id"]] for row in asked]
    usable = sum(row["state"] in ("ok", "cut") for row in rows)
    if rows and not usable:
        raise BadFile(
            f"source '{spec['source']['name']}' gave no usable response to {len(rows)} prompts; "
            f"the first: {rows[0]['state']}: {rows[0]['reason']}"
        )
    write_jsonl(options.output, rows)
    if not spec["source"]["recorded"]:
        serving.partial_path(options.output).unlink(missing_ok=True)
    print(f"{usable} of {len(rows)} responses are usable")
