"""Clients for a study's models: a cell's, a source's, with the settings of the study.

Settings that may change an answer come in the job's description; those that do not (memory, how
long an engine stays up) travel in the environment, so that changing them reruns nothing.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manybaskets.seeds import derived_seed
from manybaskets.serving.client import ChatRequest, Client, Reply
from manybaskets.serving.engine import endpoint, engine
from manybaskets.serving.vllm_args import EngineSettings

RUNS = ("vllm", "manybaskets.serving.vllm_server")
ENGINE, ENDPOINTS = "MANYBASKETS_ENGINE", "MANYBASKETS_ENDPOINTS"


def engine_settings(described: dict[str, Any]) -> EngineSettings:
    """Engine settings from a job's description and the environment."""
    kept = json.loads(os.environ.get(ENGINE, "{}"))
    loras = kept.pop("max_loras", 1) if described["max_lora_rank"] else 0
    ranks = {"max_lora_rank": described["max_lora_rank"] or 1, "max_loras": loras}
    return EngineSettings(**{**described, **kept, **ranks})


@contextmanager
def serve_cell(base: Path, adapter: Path | None, described: dict[str, Any]) -> Iterator[Client]:
    """A client of a base model with, or without, an adapter."""
    with engine(base.resolve(), engine_settings(described), adapter) as client:
        yield client


@contextmanager
def serve_source(
    source: dict[str, Any], model: Path | None, described: dict[str, Any]
) -> Iterator[Client]:
    """A client of a source: an endpoint, or a model served here."""
    if source["endpoint"]:
        access = json.loads(os.environ.get(ENDPOINTS, "{}")).get(source["name"], {})
        with endpoint(source["endpoint"], source["model"], **access) as client:
            yield client
    else:
        assert model is not None
        with engine(model.resolve(), engine_settings(described)) as client:
            yield client


def ask(
    client: Client,
    prompts: list[tuple[str, str]],
    generation: dict[str, Any],
    purpose: tuple[str | int, ...],
    partial: Path,
    progress: str,
    max_retries: int = 0,
    system: str | None = None,
) -> list[Reply]:
    """Replies to (id, prompt) pairs, each request with the seed of its purpose and id.

    An empty reply is retried with another seed, at most `max_retries` times. Finished rows are
    kept in `partial` until the caller removes it.
    """
    replies: dict[str, Reply] = {}
    waiting = prompts
    opening = ({"role": "system", "content": system},) if system else ()
    for attempt in range(max_retries + 1):
        requests = [
            ChatRequest(
                id=row,
                messages=(*opening, {"role": "user", "content": prompt}),
                seed=derived_seed(*purpose, row, attempt),
                temperature=generation["temperature"],
                top_p=generation["top_p"],
                max_tokens=generation["max_tokens"],
            )
            for row, prompt in waiting
        ]
        replies |= {reply.id: reply for reply in client.chat(requests, partial, progress)}
        waiting = [(row, prompt) for row, prompt in prompts if replies[row].state == "empty"]
        if not waiting:
            break
    return [replies[row] for row, _ in prompts]


def source_rows(
    spec: dict[str, Any],
    asked: list[dict[str, Any]],
    purpose: tuple[str | int, ...],
    model: Path | None,
    output: Path,
) -> list[dict[str, Any]]:
    """What a source answers to rows of id and prompt; an empty answer is asked for twice more.

    `spec` is the description of a job of a source: source, generation, engine. Unfinished work
    on `output` is kept in `partial_path(output)` until the caller removes it.
    """
    name, partial = spec["source"]["name"], partial_path(output)
    prompts = [(row["id"], row["prompt"]) for row in asked]
    with serve_source(spec["source"], model, spec["engine"]) as client:
        replies = ask(
            client, prompts, spec["generation"], (*purpose, name), partial, name,
            max_retries=2, system=spec["source"].get("system"),
        )  # fmt: skip
    print(summarize(replies))
    return [
        {
            "id": row["id"],
            "prompt": row["prompt"],
            "response": reply.text,
            "state": reply.state,
            "reason": reply.reason,
            "tokens": reply.completion_tokens,
        }
        for row, reply in zip(asked, replies, strict=True)
    ]


def partial_path(output: Path) -> Path:
    """Where unfinished work on `output` lies: beside it, unknown to Snakemake."""
    return output.with_name(f".{output.name}.partial")


def summarize(replies: list[Reply]) -> str:
    """How many replies of each state, for the log."""
    states = [reply.state for reply in replies]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    failed = next((reply.reason for reply in replies if reply.state == "failed"), "")
    return f"{len(replies)} replies: {counts}" + (f"; first failure: {failed}" if failed else "")
