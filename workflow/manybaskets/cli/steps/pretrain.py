"""Pretrains one scratch model."""

import argparse
import json
from pathlib import Path

from manybaskets.devices import lease
from manybaskets.files import read_jsonl, whole_directory, write_json
from manybaskets.models import pretraining
from manybaskets.models.loading import load_tokenizer

HELP = "Pretrains a tiny documentation assistant from scratch."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--documentation", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes a model folder and the training curve."""
    spec = options.spec
    rows = [
        row
        for row in read_jsonl(options.documentation)
        if row["split"] == "pretrain" and row["package"] in spec["documentation"]
    ]
    recipe = pretraining.PretrainingConfig(
        family=spec["family"],
        hidden=spec["hidden"],
        layers=spec["layers"],
        heads=spec["heads"],
        context=spec["context"],
        documentation_tokens=spec["tokens"],
        sft_tokens=spec["sft_tokens"],
        batch_tokens=spec["batch_tokens"],
        learning_rate=spec["learning_rate"],
        seed=spec["seed"],
        threads=1,
    )
    tokenizer = load_tokenizer(options.tokenizer)
    with lease(), whole_directory(options.output) as folder:
        summary = pretraining.pretrain(recipe, tokenizer, rows, pretraining.read_texts(), folder)
    write_json(options.summary, {"rows": len(rows), **summary})
