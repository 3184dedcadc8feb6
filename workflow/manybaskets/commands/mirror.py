"""Scores a cell's own responses under the target: the mirror of scoring human text under a cell."""

import argparse
import json
from pathlib import Path

from manybaskets import perplexity
from manybaskets.devices import lease
from manybaskets.files import read_jsonl, write_json
from manybaskets.loading import load_scorer, load_tokenizer

HELP = "Measures the likelihood of a cell's own responses under the target."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--responses", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes nats, tokens and bytes of every response."""
    spec = options.spec
    # Chat templates strip white space at the ends of a response, so it cannot be scored.
    rows = [
        {**row, "response": row["response"].strip()}
        for row in read_jsonl(options.responses, ["id", "prompt", "response"])
    ]
    trusted = spec["base"]["trust_remote_code"]
    with lease():
        model, _ = load_scorer(options.base, None, spec["threads"], trusted)
        tokenizer = load_tokenizer(options.base, trusted)
        found = perplexity.score(model, tokenizer, rows, spec["context"])
    write_json(options.output, found.to_json())
