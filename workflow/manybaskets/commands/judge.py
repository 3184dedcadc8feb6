"""Lets a cell judge pairs of candidates."""

import argparse
import json
from pathlib import Path

from manybaskets import judging, serving
from manybaskets.client import LabelRequest
from manybaskets.files import read_jsonl, write_jsonl
from manybaskets.study import RESOURCES

HELP = "Asks a cell which of two candidates is better, in both orders."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--candidates", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one judgement per item, pair and order."""
    spec, settings = options.spec, options.spec["preference"]
    template = (RESOURCES / next(iter(spec["template"]))).read_text(encoding="utf-8")
    candidates = {path.stem: read_jsonl(path, ["id", "response"]) for path in options.candidates}
    pairs = judging.pairs(read_jsonl(options.items), candidates, settings["items"])
    pairs += judging.controls(read_jsonl(options.items), settings["controls"])
    partial = serving.partial_path(options.output)
    asked = [pair for pair in pairs if pair.state == "ok"]
    with serving.serve_cell(options.base, options.adapter, spec["engine"]) as client:
        replies = client.label_log_probs(
            [
                LabelRequest(
                    id=pair.id,
                    messages=({"role": "user", "content": judging.prompt(template, pair)},),
                    labels=tuple(settings["labels"]),
                )
                for pair in asked
            ],
            partial,
            "judgements",
        )
    answers = {reply.id: reply for reply in replies}
    write_jsonl(options.output, (judging.judgement(pair, answers.get(pair.id)) for pair in pairs))
    partial.unlink(missing_ok=True)
