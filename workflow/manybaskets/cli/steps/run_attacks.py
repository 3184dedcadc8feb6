"""Generates a cell's responses to the requests of the robustness probe and to attacks."""

import argparse
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.data.request_sets import read_all
from manybaskets.files import read_jsonl, restrict, restricted_jsonl
from manybaskets.paths import REPOSITORY, RESOURCES
from manybaskets.probes.robustness import attacks
from manybaskets.seeds import derived_seed
from manybaskets.serving import sessions
from manybaskets.serving.client import ChatRequest
from manybaskets.stages.robustness import AttacksSpec

HELP = "Generates a cell's responses to requests, plain and under every attack."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, AttacksSpec)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    parser.add_argument("--sets", type=Path, nargs="*", default=[])
    parser.add_argument("--suffixes", type=Path, nargs="*", default=[])
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one row per request and attack, readable by the owner only."""
    spec = options.spec
    files = [REPOSITORY / name for name in spec.requests.files]
    requests = read_all(files, options.sets, spec.count)
    attempts = attacks.ladder(requests, _ladder(spec, options.suffixes))
    restrict(options.output.parent)  # before anything is written there
    partial = sessions.partial_path(options.output)
    chat_requests = [
        ChatRequest(
            id=attempt.id,
            messages=({"role": "user", "content": attempt.prompt},),
            seed=derived_seed(spec.seed, "attack", attempt.id, 0),
            temperature=spec.generation.temperature,
            top_p=spec.generation.top_p,
            max_tokens=spec.max_tokens,
            prefill=attempt.prefill,
        )
        for attempt in attempts
    ]
    with sessions.serve_cell(options.base, options.adapter, spec.engine.model_dump()) as client:
        replies = client.chat(chat_requests, partial, "requests")
    print(sessions.summarize(replies))
    restricted_jsonl(
        options.output,
        (
            {
                "id": attempt.id,
                "request": attempt.request,
                "item_set": attempt.item_set,
                "attempt": attempt.attempt,
                "prompt": attempt.prompt,
                "prefill": attempt.prefill,
                "response": reply.text,
                "state": reply.state,
                "reason": reply.reason,
            }
            for attempt, reply in zip(attempts, replies, strict=True)
        ),
    )
    partial.unlink(missing_ok=True)


def _ladder(spec: AttacksSpec, suffixes: list[Path]) -> attacks.Ladder:
    templates = {
        Path(name).stem: (RESOURCES / name).read_text(encoding="utf-8") for name in spec.templates
    }
    by_request: dict[str, list[dict[str, Any]]] = {}
    for path in suffixes:
        for row in read_jsonl(path, ["request", "kind", "suffix"]):
            by_request.setdefault(row["request"], []).append(row)
    return attacks.Ladder(
        spec.attacks, templates, spec.target, spec.best_of_n.model_dump(), by_request
    )
