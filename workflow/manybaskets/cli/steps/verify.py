"""Scores the responses that a mix may keep."""

import argparse
import json
from pathlib import Path
from typing import Any

from manybaskets.data import mixes
from manybaskets.devices import lease
from manybaskets.files import InputError, read_jsonl, write_jsonl
from manybaskets.models import scoring, sequence_classifier
from manybaskets.models.loading import load_classifier, load_model, load_tokenizer
from manybaskets.paths import REPOSITORY
from manybaskets.selection import rules, verifiers
from manybaskets.serving import sessions

HELP = "Scores every response that a selected mix may keep, by the mix's verifier."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--responses", type=Path, nargs="+", required=True)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one row per response of the pool, with its score."""
    spec = options.spec
    human, prompts = read_jsonl(options.train), read_jsonl(options.prompts)
    if "mix" in spec:
        recipe = mixes.MixRecipe(dict(spec["mix"]["origins"]), spec["mix"]["assign"])
        assigned = mixes.assignment(recipe, spec["rows"], spec["seed"], human, prompts)
        responses = {
            (path.parent.name, row["id"], row["sample"]): row
            for path in options.responses
            for row in read_jsonl(path)
        }
        pool = rules.pool(assigned, responses, spec["mix"]["samples"], mixes.HUMAN)
    else:  # in a loop everything that was written may be kept
        pool = [row for path in options.responses for row in read_jsonl(path, ["origin"])]
    rows = verifiers.scored(pool, _verifier(options, pool, human))
    unscored = [row for row in rows if row["score"] is None]
    if len(unscored) == len(rows):
        raise InputError(
            f"the verifier scored none of {len(rows)} responses; the first: "
            f"{unscored[0]['reason']}. Use another verifier or metric."
        )
    write_jsonl(options.output, rows)
    sessions.partial_path(options.output).unlink(missing_ok=True)
    print(f"{len(rows) - len(unscored)} of {len(rows)} responses have a score")


def _verifier(options: argparse.Namespace, pool: list[Any], human: list[Any]) -> Any:
    settings, seed = options.spec["verifier"], options.spec["seed"]
    if settings["by"] == "reference":
        references = {row["id"]: row["response"] for row in human}
        return verifiers.by_reference(references, settings["metric"])
    if settings["by"] == "likelihood":
        return verifiers.by_likelihood(_log_probs(options, pool))
    if settings["by"] == "classifier":
        return verifiers.by_classifier(_classified(options, pool))
    if settings["by"] == "judge":
        return verifiers.by_judge(_judged(options, pool))
    return verifiers.by_length if settings["by"] == "length" else verifiers.at_random(seed)


def _log_probs(options: argparse.Namespace, pool: list[Any]) -> dict[str, float]:
    """Mean log-probability of every usable response that fits the model's context, by its key."""
    import torch

    rows = [
        {"id": verifiers.key(row), "prompt": row["prompt"], "response": row["response"]}
        for row in pool
        if row["state"] in rules.USABLE
    ]
    if not rows:
        return {}
    trusted = options.spec["base"]["trust_remote_code"]
    with lease():
        torch.set_num_threads(options.spec["threads"])
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        model = load_model(options.model, dtype, trusted).to(device).eval()
        tokenizer = load_tokenizer(options.model, trusted)
        found = scoring.score(model, tokenizer, rows, options.spec["context"])
    excluded = set(found.excluded)
    fit = [row["id"] for row in rows if row["id"] not in excluded]
    return {
        name: -nats / tokens
        for name, nats, tokens in zip(fit, found.nats, found.tokens, strict=True)
    }


def _classified(options: argparse.Namespace, pool: list[Any]) -> dict[str, float]:
    """What the classifier gives every usable response, by its key."""
    import torch

    spec, settings = options.spec, options.spec["verifier"]
    rows = [row for row in pool if row["state"] in rules.USABLE]
    fields = ("prompt", "response") if settings["reads"] == "pair" else ("response",)
    trusted = spec["base"]["trust_remote_code"]
    try:
        with lease():
            torch.set_num_threads(spec["threads"])
            device = "cuda" if torch.cuda.is_available() else "cpu"
            model = load_classifier(options.model, torch.float32, trusted).to(device).eval()
            place = sequence_classifier.place_of(settings["label"], model.config.id2label)
            texts = [tuple(row[field] for field in fields) for row in rows]
            tokenizer = load_tokenizer(options.model, trusted)
            found = sequence_classifier.scores(model, tokenizer, texts, place)
    except ValueError as error:
        raise InputError(f"the classifier '{spec['base']['name']}': {error}") from None
    return {verifiers.key(row): score for row, score in zip(rows, found, strict=True)}


def _judged(options: argparse.Namespace, pool: list[Any]) -> list[Any]:
    spec, settings = options.spec, options.spec["verifier"]
    rubric = (REPOSITORY / settings["rubric"]).read_text(encoding="utf-8")
    requests = verifiers.label_requests(pool, rubric, tuple(settings["labels"]))
    partial = sessions.partial_path(options.output)
    with sessions.serve_source(spec["source"], options.model, spec["engine"]) as client:
        return client.label_log_probs(requests, partial, "verdicts")
