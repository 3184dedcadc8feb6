"""Asks a cell what it should decline, plainly and under attack, and what it should answer."""

import argparse
import json
from pathlib import Path

from manybaskets import attacks, serving
from manybaskets.files import write_jsonl
from manybaskets.study import REPOSITORY, RESOURCES

HELP = "Sends a cell the requests of the robustness probe."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one row per request and attack, readable by the owner only."""
    spec, settings = options.spec, options.spec["robustness"]
    requests = attacks.read_requests(REPOSITORY / settings["requests"], settings["count"])
    templates = {
        name: (RESOURCES / f"attacks/{name}.txt").read_text(encoding="utf-8")
        for name in settings["attacks"]
    }
    attempts = attacks.attempts(requests, templates)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.parent.chmod(0o700)  # Snakemake has made it already, for everybody
    partial = serving.partial_path(options.output)
    with serving.serve_cell(options.base, options.adapter, spec["engine"]) as client:
        replies = serving.ask(
            client,
            [(attempt.id, attempt.prompt) for attempt in attempts],
            {**spec["generation"], "max_tokens": settings["max_tokens"]},
            (spec["seed"], "attack"),
            partial,
            "requests",
        )
    print(serving.summarize(replies))
    write_jsonl(
        options.output,
        (
            {
                "id": attempt.id,
                "item_set": attempt.item_set,
                "prompt": attempt.prompt,
                "response": reply.text,
                "state": reply.state,
                "reason": reply.reason,
            }
            for attempt, reply in zip(attempts, replies, strict=True)
        ),
    )
    options.output.chmod(0o600)
    partial.unlink(missing_ok=True)
