"""Generates a source's candidates for the items that judges compare."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import recorded
from manybaskets.files import read_jsonl, write_jsonl
from manybaskets.probes.preference import questions
from manybaskets.serving import sessions
from manybaskets.stages.sources import CandidatesSpec

HELP = "Generates a source's candidates for the items that judges compare."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, CandidatesSpec)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one candidate per item; an item without an answer has a failed row."""
    spec = options.spec
    items = questions.items_of(read_jsonl(options.items))[: spec.items]
    prompts = [{"id": item["id"], "prompt": item["request"]} for item in items]
    if spec.source.recorded:
        source = spec.source.model_dump()
        lacking = {row["id"] for row in recorded.read(source, prompts).lacking(prompts)}
        rows = recorded.response_rows(
            source,
            [row for row in prompts if row["id"] not in lacking],
            spec.generation.reasoning,
        )
        rows += [
            {**row, "response": "", "state": "failed", "reason": "no recorded answer"}
            for row in prompts
            if row["id"] in lacking
        ]
    else:
        rows = sessions.source_rows(
            spec.plain(), prompts, ("candidates",), options.model, options.output
        )
    write_jsonl(options.output, rows)
    if not spec.source.recorded:
        sessions.partial_path(options.output).unlink(missing_ok=True)
