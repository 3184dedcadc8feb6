"""Generates a source's responses to the training prompts that the mixes assign to it."""

import argparse
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import mixes, recorded
from manybaskets.data.conversations import context_of
from manybaskets.files import InputError, read_jsonl, write_jsonl
from manybaskets.serving import sessions
from manybaskets.stages.sources import GenerateSpec

HELP = "Generates a source's responses to the training prompts that the mixes assign to it."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, GenerateSpec)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--extend", action="store_true", help="keep the responses that the output contains"
    )


def run(options: argparse.Namespace) -> None:
    """Writes one row per prompt and sample, in the order of the prompts."""
    spec = options.spec
    human, prompts = read_jsonl(options.train), read_jsonl(options.prompts)
    needed = set()
    for mix in spec.mixes:
        recipe = mixes.MixRecipe(dict(mix.origins), mix.assign)
        assigned = mixes.assignment(recipe, spec.rows, spec.seed, human, prompts)
        needed |= {
            (prompt, sample)
            for prompt, origin in assigned
            if origin == spec.source.name
            for sample in range(mix.samples)
        }
    most = max((mix.samples for mix in spec.mixes), default=0)
    requested = [
        {"id": row["id"], "prompt": row["prompt"], **context_of(row), "sample": sample}
        for row in prompts
        for sample in range(most)
        if (row["id"], sample) in needed
    ]
    if spec.source.recorded:
        rows = recorded.response_rows(
            spec.source.model_dump(), requested, spec.generation.reasoning
        )
        rows = [
            {**row, "sample": asked["sample"]} for row, asked in zip(rows, requested, strict=True)
        ]
    else:
        extends = options.extend and options.output.exists()
        known = {_key(row): row for row in read_jsonl(options.output)} if extends else {}
        known = {key: row for key, row in known.items() if row["state"] != "failed"}
        new = [row for row in requested if _key(row) not in known]
        if known:
            print(f"{len(requested) - len(new)} of {len(requested)} responses are there already")
        if new:
            purpose = (spec.seed, "generate")
            named = [{**row, "id": _request(row)} for row in new]
            answers = sessions.source_rows(
                spec.plain(), named, purpose, options.model, options.output
            )
            for row, answer in zip(new, answers, strict=True):
                known[_key(row)] = {**answer, "id": row["id"], "sample": row["sample"]}
        rows = [known[_key(row)] for row in requested]
    usable = sum(row["state"] in ("ok", "length") for row in rows)
    if rows and not usable:
        raise InputError(
            f"source '{spec.source.name}' has no usable response to {len(rows)} prompts; "
            f"the first: {rows[0]['state']}: {rows[0]['reason']}"
        )
    write_jsonl(options.output, rows)
    if not spec.source.recorded:
        sessions.partial_path(options.output).unlink(missing_ok=True)
    print(f"{usable} of {len(rows)} responses are usable")


def _key(row: dict[str, Any]) -> tuple[str, int]:
    return row["id"], row["sample"]


def _request(row: dict[str, Any]) -> str:
    """Returns the name of a request, from which its seed derives: prompt id and sample number."""
    return f"{row['id']}#{row['sample']}" if row["sample"] else str(row["id"])
