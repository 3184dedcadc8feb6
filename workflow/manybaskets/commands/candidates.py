"""Asks a source for its candidates for the judges' items."""

import argparse
import json
from pathlib import Path

from manybaskets import recorded
from manybaskets.files import read_jsonl, write_jsonl

HELP = "Generates a source's candidates for the items that judges compare."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one candidate per item; an item without an answer is a failed row."""
    spec = options.spec
    items = read_jsonl(options.items)[: spec["items"]]
    asked = [{"id": item["id"], "prompt": item["request"]} for item in items]
    if spec["source"]["recorded"]:
        there = set(recorded.missing(spec["source"], [row["prompt"] for row in asked]))
        rows = recorded.answers(
            spec["source"], [row for row in asked if row["prompt"] not in there]
        )
        rows += [
            {**row, "response": "", "state": "failed", "reason": "no recorded answer"}
            for row in asked
            if row["prompt"] in there
        ]
    else:
        rows = _generated(options, asked)
    write_jsonl(options.output, rows)


def _generated(options: argparse.Namespace, asked: list[dict[str, str]]) -> list[dict[str, object]]:
    from manybaskets import serving

    spec = options.spec
    partial = serving.partial_path(options.output)
    with serving.serve_source(spec["source"], options.model, spec["engine"]) as client:
        replies = serving.ask(
            client,
            [(row["id"], row["prompt"]) for row in asked],
            spec["generation"],
            ("candidates", spec["source"]["name"]),
            partial,
            f"{spec['source']['name']} candidates",
            again=2,
        )
    print(serving.summarize(replies))
    partial.unlink(missing_ok=True)
    return [
        {**row, "response": reply.text, "state": reply.state, "reason": reply.reason}
        for row, reply in zip(asked, replies, strict=True)
    ]
