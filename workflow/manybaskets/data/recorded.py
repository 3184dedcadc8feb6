"""Recorded responses: read from a file and looked up by prompt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manybaskets.data.conversations import context_of
from manybaskets.data.responses import UNFINISHED, Response, Rule, split
from manybaskets.files import InputError, read_jsonl


def read_responses(source: dict[str, Any]) -> dict[str, str]:
    """Returns the responses of a recorded source by prompt, with whitespace normalised.

    Raises InputError if the file is unusable.
    """
    path, fields = Path(source["recorded"]), source["fields"]
    prompt, response = fields["prompt"] or "prompt", fields["response"] or "response"
    rows = read_jsonl(path, [prompt, response])
    return {_key(str(row[prompt])): str(row[response]) for row in rows}


def missing_prompts(source: dict[str, Any], prompts: Sequence[str]) -> list[str]:
    """Returns the prompts for which a recorded source has no response."""
    responses = read_responses(source)
    return [prompt for prompt in prompts if _key(prompt) not in responses]


def response_rows(
    source: dict[str, Any], prompt_rows: Sequence[dict[str, Any]], reasoning: Rule = "drop"
) -> list[dict[str, Any]]:
    """Returns one response row per prompt row; raises InputError if a response is missing."""
    responses = read_responses(source)
    missing = [row["prompt"] for row in prompt_rows if _key(row["prompt"]) not in responses]
    if missing:
        raise InputError(missing_message(source, missing, len(prompt_rows)))
    return [
        _response_row(row, split(responses[_key(row["prompt"])], reasoning), reasoning)
        for row in prompt_rows
    ]


def missing_message(source: dict[str, Any], missing: Sequence[str], total: int) -> str:
    """Returns the error message for a source without responses to `missing` of `total` prompts."""
    first = " ".join(missing[0].split())[:80]
    return (
        f"{source['recorded']}: no response to {len(missing)} of {total} prompts; the first is "
        f"'{first}…'. Add the responses, or correct the prompts' field name under fields."
    )


def _response_row(row: dict[str, Any], response: Response, reasoning: Rule) -> dict[str, Any]:
    missing = "the recorded answer is empty" if response.is_complete else UNFINISHED
    fields = {
        "id": row["id"],
        "prompt": row["prompt"],
        **context_of(row),
        "response": response.text,
        "state": "ok" if response.text else "empty",
        "reason": "" if response.text else missing,
        "tokens": None,
    }
    return fields | ({"reasoning": response.reasoning} if reasoning == "separate" else {})


def _key(prompt: str) -> str:
    return " ".join(prompt.split())
