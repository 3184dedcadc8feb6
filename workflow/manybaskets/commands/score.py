"""Scores human test text under a cell."""

import argparse
import json
from collections import Counter
from pathlib import Path

from manybaskets.devices import lease
from manybaskets.files import read_jsonl, write_json
from manybaskets.loading import load_scorer, load_tokenizer
from manybaskets.token_table import Views, token_counts, write_table

HELP = "Measures the likelihood of the human test responses under a cell, token by token."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes a row per token, and per response nats, tokens and bytes."""
    spec = options.spec
    rows = read_jsonl(options.test, ["id", "prompt", "response"])
    train = read_jsonl(options.train, ["prompt", "response"])
    trusted = spec["base"]["trust_remote_code"]
    with lease():
        model, target = load_scorer(options.base, options.adapter, spec["threads"], trusted)
        tokenizer = load_tokenizer(options.base, trusted)
        counts = token_counts(tokenizer, train, len(tokenizer))
        found = write_table(
            options.tokens,
            model,
            target,
            tokenizer,
            rows,
            spec["context"],
            counts,
            Views(**spec["views"]),
        )
    by_count = Counter(counts[counts > 0].tolist())
    write_json(options.output, {**found.to_json(), "train_counts": sorted(by_count.items())})
