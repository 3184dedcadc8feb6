"""Pretrains one scratch model on docstrings of installed packages."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.devices import lease
from manybaskets.files import read_jsonl, whole_directory, write_json
from manybaskets.models import pretraining
from manybaskets.models.loading import load_tokenizer
from manybaskets.stages.models import PretrainSpec

HELP = "Pretrains one scratch model on docstrings of installed packages."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, PretrainSpec)
    parser.add_argument("--documentation", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the folder of the model, and a summary with the training curve."""
    spec, scratch = options.spec, options.spec.scratch
    rows = [
        row
        for row in read_jsonl(options.documentation)
        if row["split"] == "pretrain" and row["package"] in scratch.documentation
    ]
    recipe = pretraining.PretrainingConfig(
        family=scratch.family,
        hidden=scratch.hidden,
        layers=scratch.layers,
        heads=scratch.heads,
        context=spec.context,
        documentation_tokens=scratch.tokens,
        sft_tokens=scratch.sft_tokens,
        batch_tokens=scratch.batch_tokens,
        learning_rate=scratch.learning_rate,
        seed=scratch.seed,
        threads=1,
    )
    tokenizer = load_tokenizer(options.tokenizer)
    with lease(), whole_directory(options.output) as folder:
        summary = pretraining.pretrain(recipe, tokenizer, rows, pretraining.read_texts(), folder)
    write_json(options.summary, {"rows": len(rows), **summary})
