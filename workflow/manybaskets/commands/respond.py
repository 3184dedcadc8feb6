"""Asks a cell for its responses to the test prompts."""

import argparse
import json
from pathlib import Path

from manybaskets import serving
from manybaskets.files import read_jsonl, write_jsonl

HELP = "Generates a cell's responses to the test prompts."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one response per test prompt."""
    spec = options.spec
    rows = read_jsonl(options.test, ["id", "prompt"])
    partial = serving.partial_path(options.output)
    with serving.serve_cell(options.base, options.adapter, spec["engine"]) as client:
        replies = serving.ask(
            client,
            [(row["id"], row["prompt"]) for row in rows],
            spec["generation"],
            (spec["seed"], "respond"),
            partial,
            "responses",
        )
    print(serving.summarize(replies))
    write_jsonl(
        options.output,
        (
            {
                "id": row["id"],
                "prompt": row["prompt"],
                "response": reply.text,
                "state": reply.state,
                "reason": reply.reason,
            }
            for row, reply in zip(rows, replies, strict=True)
        ),
    )
    partial.unlink(missing_ok=True)
