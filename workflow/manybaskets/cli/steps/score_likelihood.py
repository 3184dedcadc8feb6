"""Scores human text under a cell, and the cell's responses under its target; embeds them."""

import argparse
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.devices import lease
from manybaskets.files import read_jsonl, write_json
from manybaskets.models import scoring
from manybaskets.models.embeddings import embed_for, language_remark, write_embeddings
from manybaskets.models.loading import load_scorer, load_tokenizer
from manybaskets.probes.collapse.token_table import Views, token_counts, write_table
from manybaskets.stages.collapse import LikelihoodSpec

HELP = "Computes likelihoods of human text under a cell and of its responses under the target."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, LikelihoodSpec)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--embedder", type=Path, nargs="?")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--responses", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--own", type=Path, required=True)
    parser.add_argument("--embeddings", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the table of tokens, the likelihoods of responses, and the embeddings.

    The table has a row per token of human text. Likelihoods are nats, tokens and bytes of every
    human and own response. Embeddings are those of own responses and further samples, in order;
    none without an embedder.
    """
    responses = read_jsonl(options.responses, ["id", "prompt", "response"])
    samples = read_jsonl(options.samples, ["response"])
    with lease():
        _score(options, responses)
        vectors, remark = {}, ""
        if options.spec.embedder:
            texts = [row["response"] for row in [*responses, *samples]]
            both = embed_for(options.spec.plain(), options.embedder, texts)
            vectors = {"responses": both[: len(responses)], "samples": both[len(responses) :]}
            remark = language_remark(options.spec.embedder.name, texts)
    write_embeddings(options.embeddings, remark, **vectors)


def _score(options: argparse.Namespace, responses: list[dict[str, Any]]) -> None:
    """Writes both likelihoods. On return the model is freed, before the embedder is loaded."""
    spec = options.spec
    rows = read_jsonl(options.test, ["id", "prompt", "response"])
    train = read_jsonl(options.train, ["prompt", "response"])
    trusted = spec.base.trust_remote_code
    model, as_target = load_scorer(options.base, options.adapter, spec.threads, trusted)
    tokenizer = load_tokenizer(options.base, trusted)
    counts = token_counts(tokenizer, train, len(tokenizer))
    context, views = spec.context, Views(spec.top_k, spec.nucleus)
    scored = write_table(options.tokens, model, as_target, tokenizer, rows, context, counts, views)
    # Chat templates strip white space at the ends of a response, so it cannot be scored.
    own = [{**row, "response": row["response"].strip()} for row in responses]
    with (as_target or nullcontext)():
        of_own = scoring.score(model, tokenizer, own, context)
    by_count = Counter(counts[counts > 0].tolist())
    write_json(options.output, {**scored.to_json(), "train_counts": sorted(by_count.items())})
    write_json(options.own, of_own.to_json())
