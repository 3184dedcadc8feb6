"""Generates a cell's candidates for the items that judges compare."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data.conversations import with_prompt
from manybaskets.files import read_jsonl, write_jsonl
from manybaskets.probes.preference import questions
from manybaskets.serving import sessions
from manybaskets.stages.preference import CellCandidatesSpec

HELP = "Generates a cell's candidates for the items that judges compare."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, CellCandidatesSpec)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one candidate per item; an item without an answer has a failed or empty row."""
    spec = options.spec
    generation = spec.generation.model_dump()
    items = questions.items_of(read_jsonl(options.items))[: spec.items]
    partial = sessions.partial_path(options.output)
    prompts = [(item["id"], with_prompt(item["request"])) for item in items]
    with sessions.serve_cell(options.base, options.adapter, spec.engine.model_dump()) as client:
        replies = sessions.generate(
            client,
            prompts,
            generation,
            ("answer", spec.seed),
            partial,
            "candidates",
            max_retries=2,
        )
    print(sessions.summarize(replies))
    write_jsonl(
        options.output,
        (
            {"id": item["id"], "prompt": item["request"]}
            | sessions.response_fields(reply, generation)
            | {"tokens": reply.completion_tokens}
            for item, reply in zip(items, replies, strict=True)
        ),
    )
    partial.unlink(missing_ok=True)
