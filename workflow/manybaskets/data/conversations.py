"""The chat messages of a row, for every consumer of prompts: engines, training and scoring."""

from collections.abc import Mapping, Sequence
from typing import Any

Message = dict[str, str]


def messages_of(row: Mapping[str, Any]) -> list[Message]:
    """Returns the messages before the response of a row: its context, then the prompt.

    The optional `context_messages` of a row are its system message and the earlier turns.
    """
    return with_prompt(row["prompt"], row.get("context_messages") or ())


def with_prompt(prompt: str, context: Sequence[Message] = ()) -> list[Message]:
    """Returns a conversation that ends with the user's `prompt`."""
    return [*context, {"role": "user", "content": prompt}]


def context_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the keys of a row that belong to its conversation, besides prompt and response."""
    return {key: row[key] for key in ("context_messages", "turns") if row.get(key)}
