"""Clients for the models of a study (cells and sources), with the study's settings.

Settings that can change a response are in the job's spec. Others (memory, `keep_alive`) are in
environment variables, so that a change of them does not rerun any job.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manybaskets.data.conversations import Message, context_of, messages_of
from manybaskets.seeds import derived_seed
from manybaskets.serving.client import ChatRequest, Client, Reply
from manybaskets.serving.engine import endpoint, engine
from manybaskets.serving.vllm_args import EngineSettings

RUNS = ("vllm", "manybaskets.serving.vllm_server")
ENGINE, ENDPOINTS = "MANYBASKETS_ENGINE", "MANYBASKETS_ENDPOINTS"


def engine_settings(spec: dict[str, Any]) -> EngineSettings:
    """Returns engine settings from the `engine` part of a job's spec and from the environment."""
    from_environment = json.loads(os.environ.get(ENGINE, "{}"))
    max_loras = from_environment.pop("max_loras", 1) if spec["max_lora_rank"] else 0
    loras = {"max_lora_rank": spec["max_lora_rank"] or 1, "max_loras": max_loras}
    return EngineSettings(**{**spec, **from_environment, **loras})


@contextmanager
def serve_cell(base: Path, adapter: Path | None, engine_spec: dict[str, Any]) -> Iterator[Client]:
    """Yields a client of a base model with or without an adapter."""
    with engine(base.resolve(), engine_settings(engine_spec), adapter) as client:
        yield client


@contextmanager
def serve_source(
    source: dict[str, Any], model: Path | None, engine_spec: dict[str, Any]
) -> Iterator[Client]:
    """Yields a client of a source: an endpoint, or an engine with the model in a folder."""
    if source["endpoint"]:
        options = json.loads(os.environ.get(ENDPOINTS, "{}")).get(source["name"], {})
        with endpoint(source["endpoint"], source["model"], **options) as client:
            yield client
    else:
        assert model is not None
        with engine(model.resolve(), engine_settings(engine_spec)) as client:
            yield client


def generate(
    client: Client,
    conversations: list[tuple[str, list[Message]]],
    generation: dict[str, Any],
    purpose: tuple[str | int, ...],
    partial: Path,
    progress: str,
    max_retries: int = 0,
    system: str | None = None,
    template_variables: Mapping[str, Any] | None = None,
) -> list[Reply]:
    """Returns one reply per (id, messages) pair, in order.

    The seed of a request is derived from `purpose`, its id and the attempt. Empty replies are
    retried up to `max_retries` times with other seeds, but not those that have reasoning only.
    Finished rows are saved in `partial`; the caller deletes this file.
    """
    replies: dict[str, Reply] = {}
    waiting = conversations
    system_messages = ({"role": "system", "content": system},) if system else ()
    for attempt in range(max_retries + 1):
        requests = [
            ChatRequest(
                id=row,
                messages=(*system_messages, *messages),
                seed=derived_seed(*purpose, row, attempt),
                temperature=generation["temperature"],
                top_p=generation["top_p"],
                max_tokens=generation["max_tokens"],
                template_variables=tuple(sorted((template_variables or {}).items())),
                reasoning=generation.get("reasoning", "drop"),
            )
            for row, messages in waiting
        ]
        replies |= {reply.id: reply for reply in client.chat(requests, partial, progress)}
        waiting = [
            (row, messages)
            for row, messages in conversations
            if replies[row].state == "empty" and not replies[row].reasoning
        ]
        if not waiting:
            break
    return [replies[row] for row, _ in conversations]


def source_rows(
    spec: dict[str, Any],
    prompt_rows: list[dict[str, Any]],
    purpose: tuple[str | int, ...],
    model: Path | None,
    output: Path,
) -> list[dict[str, Any]]:
    """Returns a source's responses to rows of id and prompt; retries empty responses twice.

    `spec` contains the source, its generation settings and the engine's. Finished rows are saved
    in `partial_path(output)`; the caller deletes this file.
    """
    name, partial = spec["source"]["name"], partial_path(output)
    prompts = [(row["id"], messages_of(row)) for row in prompt_rows]
    with serve_source(spec["source"], model, spec["engine"]) as client:
        replies = generate(
            client, prompts, spec["generation"], (*purpose, name), partial, name,
            max_retries=2, system=spec["source"].get("system"),
            template_variables=spec["source"].get("chat_template_kwargs"),
        )  # fmt: skip
    print(summarize(replies))
    return [
        {
            "id": row["id"],
            "prompt": row["prompt"],
            **context_of(row),
            **response_fields(reply, spec["generation"]),
            "tokens": reply.completion_tokens,
        }
        for row, reply in zip(prompt_rows, replies, strict=True)
    ]


def response_fields(reply: Reply, generation: Mapping[str, Any]) -> dict[str, str]:
    """Returns the fields of a response row from a reply: response, state, reason.

    The rule "separate" adds the field `reasoning`.
    """
    fields = {"response": reply.text, "state": reply.state, "reason": reply.reason}
    if generation.get("reasoning") == "separate":
        fields["reasoning"] = reply.reasoning
    return fields


def partial_path(output: Path) -> Path:
    """Returns the path of partial results for `output`: a hidden file in the same folder."""
    return output.with_name(f".{output.name}.partial")


def summarize(replies: list[Reply]) -> str:
    """Returns a line for the log: the number of replies in each state and the first failure."""
    states = [reply.state for reply in replies]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    failed = next((reply.reason for reply in replies if reply.state == "failed"), "")
    return f"{len(replies)} replies: {counts}" + (f"; first failure: {failed}" if failed else "")
