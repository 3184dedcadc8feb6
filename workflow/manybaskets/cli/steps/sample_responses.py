"""Samples a cell's responses to the test prompts."""

import argparse
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.data.conversations import context_of, messages_of
from manybaskets.files import read_jsonl, write_jsonl
from manybaskets.serving import sessions
from manybaskets.serving.client import Reply
from manybaskets.stages.collapse import ResponsesSpec

HELP = "Samples a cell's responses to the test prompts."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, ResponsesSpec)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one response per test prompt, and several samples for some of them.

    Prompts with several samples are at equal distances in the test set; the first sample of each
    is its response.
    """
    spec = options.spec
    generation = spec.generation.model_dump()
    rows = read_jsonl(options.test, ["id", "prompt"])
    count = min(spec.prompts, len(rows))
    chosen = [rows[i * len(rows) // count] for i in range(count)]
    prompts = [(row["id"], messages_of(row)) for row in rows]
    for sample in range(1, spec.samples):
        prompts += [(_name(row, sample), messages_of(row)) for row in chosen]
    partial = sessions.partial_path(options.output)
    with sessions.serve_cell(options.base, options.adapter, spec.engine.model_dump()) as client:
        replies = sessions.generate(
            client,
            prompts,
            generation,
            (spec.seed, "respond"),
            partial,
            "responses",
        )
    print(sessions.summarize(replies))
    by_name = dict(zip((name for name, _ in prompts), replies, strict=True))
    write_jsonl(options.output, (_row(row, by_name[row["id"]], generation) for row in rows))
    write_jsonl(
        options.samples,
        (
            {**_row(row, by_name[_name(row, sample)], generation), "sample": sample}
            for row in chosen
            for sample in range(spec.samples)
        ),
    )
    partial.unlink(missing_ok=True)


def _name(row: dict[str, Any], sample: int) -> str:
    """Returns the name of a request: the row's id, with the sample number from the second on."""
    return f"{row['id']} sample {sample}" if sample else row["id"]


def _row(row: dict[str, Any], reply: Reply, generation: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "prompt": row["prompt"],
        **context_of(row),
        **sessions.response_fields(reply, generation),
    }
