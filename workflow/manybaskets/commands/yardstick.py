"""Bits per byte of the scratch models beside n-gram models."""

import argparse
import json
import math
from pathlib import Path

from manybaskets import ngrams, perplexity
from manybaskets.files import read_jsonl, write_json

HELP = "Scores scratch models on the human test text beside a bigram and a trigram model."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--documentation", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes bits per byte for every model; n-grams see the documentation of all of them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    test = read_jsonl(options.test)
    models = {}
    for folder in options.models:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        found = perplexity.score(model, tokenizer, test, options.spec["context"])
        models[folder.name] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "bits_per_byte": found.bits_per_byte,
            "nats_per_token": found.nats_per_token,
        }
    rows = [r for r in read_jsonl(options.documentation) if r["split"] == "pretrain"]
    end = tokenizer.eos_token_id
    seen = [ids + [end] for ids in tokenizer([r["description"] for r in rows])["input_ids"]]
    held_out = [ids + [end] for ids in tokenizer([r["response"] for r in test])["input_ids"]]
    test_bytes = sum(len(row["response"].encode()) for row in test)
    yardsticks = {}
    for order, name in ((2, "bigram"), (3, "trigram")):
        counted = ngrams.Ngrams(seen, order, len(tokenizer))
        yardsticks[name] = sum(map(counted.nats, held_out)) / (math.log(2) * test_bytes)
    write_json(options.output, {"models": models, "rows": len(test), **yardsticks})
