"""Trains the tokenizer that the scratch models share, on docstrings and instructions."""

import argparse
import random
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import prompts
from manybaskets.files import read_jsonl, whole_directory
from manybaskets.models import architectures
from manybaskets.models.pretraining import read_texts
from manybaskets.stages.models import TokenizerSpec

HELP = "Trains one byte-level BPE tokenizer for all scratch models of the study."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, TokenizerSpec)
    parser.add_argument("--documentation", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the folder of the tokenizer."""
    rows = [r for r in read_jsonl(options.documentation) if r["split"] == "pretrain"]
    texts = read_texts()
    seen = [prompts.instruct_prompt(texts["document"], row) for row in rows]
    seen += [row["description"] for row in rows]
    taught = prompts.taught_exchanges(texts["requests"], random.Random(0))
    seen += [text for exchange in taught for text in (exchange.prompt, exchange.response)]
    tokenizer = architectures.train_tokenizer(seen, options.spec.vocabulary)
    with whole_directory(options.output) as folder:
        tokenizer.save_pretrained(folder)
    print(f"{len(tokenizer)} tokens from {len(seen)} texts")
