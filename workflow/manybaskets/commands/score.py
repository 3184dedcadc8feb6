"""Scores human test text under a cell."""

import argparse
import json
from pathlib import Path

from manybaskets import perplexity
from manybaskets.devices import lease
from manybaskets.files import read_jsonl, write_json
from manybaskets.loading import load_model, load_tokenizer

HELP = "Measures the likelihood of the human test responses under a cell."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes nats, tokens and bytes of every test row."""
    rows = read_jsonl(options.test, ["id", "prompt", "response"])
    with lease():
        found = _scored(options, rows)
    write_json(
        options.output,
        {
            "nats": [round(value, 4) for value in found.nats],
            "tokens": found.tokens,
            "bytes": found.bytes,
            "excluded": found.excluded,
            "nats_per_token": found.nats_per_token,
            "bits_per_byte": found.bits_per_byte,
        },
    )


def _scored(options: argparse.Namespace, rows: list[dict[str, str]]) -> perplexity.Likelihood:
    import torch

    torch.set_num_threads(options.spec["threads"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    trusted = options.spec["base"]["trust_remote_code"]
    model = load_model(options.base, dtype, trusted).to(device).eval()
    if options.adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, options.adapter).eval()
    tokenizer = load_tokenizer(options.base, trusted)
    return perplexity.score(model, tokenizer, rows, options.spec["context"])
