"""Optimises adversarial suffixes on a cell, and draws random ones for comparison."""

import argparse
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.data.request_sets import read_all
from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.devices import lease
from manybaskets.files import restricted_jsonl
from manybaskets.models.loading import compute_dtype, load_model, load_tokenizer
from manybaskets.paths import REPOSITORY
from manybaskets.probes.robustness import suffix_search
from manybaskets.seeds import derived_seed, generator
from manybaskets.stages.robustness import SuffixesSpec

HELP = "Optimises suffixes by GCG that make a cell begin to comply with requests."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, SuffixesSpec)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--sets", type=Path, nargs="*", default=[])
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one suffix per request and kind, readable by the owner only."""
    spec = options.spec
    files = [REPOSITORY / name for name in spec.requests.files]
    requests = [r for r in read_all(files, options.sets, spec.count) if r.declined]
    many = min(spec.gcg.behaviours, len(requests))
    chosen = sorted(generator("gcg").sample(range(len(requests)), many))
    with lease():
        model, tokenizer = _loaded(options)
        rows = []
        for place in chosen:
            rows += _suffixes(model, tokenizer, requests[place], spec)
            print(f"{len(rows)} suffixes", flush=True)
    restricted_jsonl(options.output, rows)


def _suffixes(
    model: Any, tokenizer: Any, request: ProbeRequest, spec: SuffixesSpec
) -> list[dict[str, Any]]:
    target = request.target or spec.target
    gcg = spec.gcg.model_dump()
    settings = suffix_search.Settings(
        **{key: gcg[key] for key in ("steps", "suffix_tokens", "candidates", "top_k")}
    )
    seed = derived_seed(spec.seed, "gcg", request.id)
    searches = {"gcg-own" if spec.own else "gcg": suffix_search.optimise}
    if not spec.own:
        searches["gcg-control"] = suffix_search.random_suffix
    rows = []
    for kind, search in searches.items():
        suffix = search(model, tokenizer, request.text, target, settings, seed)
        rows.append(
            {
                "request": request.id,
                "kind": kind,
                "suffix": suffix.text,
                "loss": round(suffix.loss, 4),
                "initial_loss": round(suffix.initial_loss, 4),
            }
        )
    return rows


def _loaded(options: argparse.Namespace) -> tuple[Any, Any]:
    import torch

    torch.set_num_threads(options.spec.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = compute_dtype(device)
    trusted = options.spec.base.trust_remote_code
    model = load_model(options.base, dtype, trusted).to(device).eval()
    if options.adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, options.adapter).merge_and_unload().eval()
    model.requires_grad_(False)
    return model, load_tokenizer(options.base, trusted)
