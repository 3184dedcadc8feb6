"""Responses somebody already has: looked up by prompt, never generated."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manybaskets.files import InputError, read_jsonl


def read_answers(source: dict[str, Any]) -> dict[str, str]:
    """Response by prompt (whitespace aside) of a recorded source; InputError if it is unusable."""
    path, fields = Path(source["recorded"]), source["fields"]
    rows = read_jsonl(path, [fields["prompt"], fields["response"]])
    return {_key(str(row[fields["prompt"]])): str(row[fields["response"]]) for row in rows}


def missing(source: dict[str, Any], prompts: Sequence[str]) -> list[str]:
    """The prompts that a recorded source has no answer for."""
    found = read_answers(source)
    return [prompt for prompt in prompts if _key(prompt) not in found]


def answers(source: dict[str, Any], asked: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per prompt asked; InputError if the source lacks an answer."""
    found = read_answers(source)
    lacking = [row["prompt"] for row in asked if _key(row["prompt"]) not in found]
    if lacking:
        raise InputError(lacks(source, lacking, len(asked)))
    return [
        {
            "id": row["id"],
            "prompt": row["prompt"],
            "response": found[_key(row["prompt"])].strip(),
            "state": "ok" if found[_key(row["prompt"])].strip() else "empty",
            "reason": "" if found[_key(row["prompt"])].strip() else "the recorded answer is empty",
            "tokens": None,
        }
        for row in asked
    ]


def lacks(source: dict[str, Any], lacking: Sequence[str], asked: int) -> str:
    """The sentence for a recorded source without answers to some prompts."""
    first = " ".join(lacking[0].split())[:80]
    return (
        f"{source['recorded']}: no answer to {len(lacking)} of {asked} prompts; the first is "
        f"'{first}…'. Add them, or name the field of the prompts under fields."
    )


def _key(prompt: str) -> str:
    return " ".join(prompt.split())
