"""Embeds a cell's responses."""

import argparse
import json
from pathlib import Path

from manybaskets.embeddings import embed_for, write_embeddings
from manybaskets.files import read_jsonl

HELP = "Embeds a cell's responses to the test prompts."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--embedder", type=Path, nargs="?")
    parser.add_argument("--responses", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one embedding per response and per further sample, in their order."""
    responses = [row["response"] for row in read_jsonl(options.responses, ["response"])]
    samples = [row["response"] for row in read_jsonl(options.samples, ["response"])]
    vectors = embed_for(options.spec, options.embedder, [*responses, *samples])
    write_embeddings(
        options.output, responses=vectors[: len(responses)], samples=vectors[len(responses) :]
    )
