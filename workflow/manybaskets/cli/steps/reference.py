"""Embeds the human test responses, which cells' own are held against."""

import argparse
import json
from pathlib import Path

from manybaskets.devices import lease
from manybaskets.files import read_jsonl
from manybaskets.probes.collapse.embeddings import embed_for, write_embeddings

HELP = "Embeds the human test responses."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--embedder", type=Path, nargs="?")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one embedding per test row, in their order."""
    rows = read_jsonl(options.test, ["response"])
    with lease():
        vectors = embed_for(options.spec, options.embedder, [row["response"] for row in rows])
    write_embeddings(options.output, responses=vectors)
