"""Computes bits per byte of the human test text under scratch models and n-gram models."""

import argparse
import math
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_jsonl, write_json
from manybaskets.models import ngram_lm, scoring
from manybaskets.models.loading import load_model, load_tokenizer
from manybaskets.stages.models import BaselineSpec

HELP = "Scores the human test text under the scratch models, a bigram and a trigram model."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, BaselineSpec)
    parser.add_argument("--documentation", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes bits per byte of all models, and of n-gram models of the same and of all packages."""
    import torch

    torch.set_num_threads(1)
    test = read_jsonl(options.test)
    rows = [r for r in read_jsonl(options.documentation) if r["split"] == "pretrain"]
    models = {}
    for folder in options.models:
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, torch.float32).eval()
        packages = options.spec.packages[folder.name]
        own = [row for row in test if row["stratum"] in packages]
        scores = scoring.score(model, tokenizer, test, options.spec.context)
        models[folder.name] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "bits_per_byte": scores.bits_per_byte,
            "nats_per_token": scores.nats_per_token,
            "own_bits_per_byte": _bits_per_byte(model, tokenizer, own, options.spec.context),
            **_ngrams(tokenizer, [row for row in rows if row["package"] in packages], test),
        }
    write_json(
        options.output, {"models": models, "rows": len(test), **_ngrams(tokenizer, rows, test)}
    )


def _bits_per_byte(model: Any, tokenizer: Any, rows: list[Any], context: int) -> float | None:
    return scoring.score(model, tokenizer, rows, context).bits_per_byte if rows else None


def _ngrams(tokenizer: Any, seen: list[Any], test: list[Any]) -> dict[str, float]:
    """Returns bits per byte of n-gram models trained on `seen`, with one tokenizer."""
    end = tokenizer.eos_token_id
    known = [[*ids, end] for ids in tokenizer([row["description"] for row in seen])["input_ids"]]
    held_out = [[*ids, end] for ids in tokenizer([row["response"] for row in test])["input_ids"]]
    size = math.log(2) * sum(len(row["response"].encode()) for row in test)
    return {
        name: sum(map(ngram_lm.Ngrams(known, order, len(tokenizer)).nats, held_out)) / size
        for order, name in ((2, "bigram"), (3, "trigram"))
    }
