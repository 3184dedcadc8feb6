"""Embeds the human test responses, with which the responses of cells are compared."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.devices import lease
from manybaskets.files import read_jsonl
from manybaskets.models.embeddings import embed_for, language_remark, write_embeddings
from manybaskets.stages.collapse import ReferenceSpec

HELP = "Embeds the human test responses."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, ReferenceSpec)
    parser.add_argument("--embedder", type=Path, nargs="?")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one embedding per test row, in the order of the rows."""
    texts = [row["response"] for row in read_jsonl(options.test, ["response"])]
    with lease():
        vectors = embed_for(options.spec.plain(), options.embedder, texts)
    remark = language_remark(options.spec.plain()["embedder"]["name"], texts, "human responses")
    write_embeddings(options.output, remark, responses=vectors)
