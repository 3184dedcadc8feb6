"""Log-probability of a given text as the reply to a conversation.

Only engines support this: vLLM returns the log-probability of every token of a prompt, and
OpenAI-compatible endpoints do not.
"""

import json
from dataclasses import dataclass
from typing import Any

from manybaskets.serving.http import Connection, RowFailure, State


@dataclass(frozen=True)
class TextRequest:
    """A conversation, and a text whose log-probability as the reply is requested."""

    id: str
    messages: tuple[dict[str, str], ...]
    text: str


@dataclass(frozen=True)
class TextReply:
    """Negative log-probability of a text in nats, summed over its tokens.

    The sum excludes the token that would end the reply. `nats` is None unless the state is ok.
    """

    id: str
    nats: float | None
    tokens: int
    state: State
    reason: str


async def score_text(connection: Connection, model: str, request: TextRequest) -> TextReply:
    """Returns the log-probability of the request's text under the engine's model `model`."""
    return (await score_texts(connection, model, request, (request.text,)))[0]


async def score_texts(
    connection: Connection, model: str, request: TextRequest, texts: tuple[str, ...]
) -> list[TextReply]:
    """Returns the log-probabilities of several texts after the conversation of `request`."""
    body = {"model": model, "messages": list(request.messages), "add_generation_prompt": True}
    prefix = await connection.tokens(json.dumps(body))
    if isinstance(prefix, RowFailure):
        return [TextReply(request.id, None, 0, prefix.state, prefix.reason) for _ in texts]
    return [await _one(connection, model, request.id, prefix, text) for text in texts]


async def _one(
    connection: Connection, model: str, id: str, prefix: list[int], text: str
) -> TextReply:
    # The text is tokenized separately, since a reply begins after the last token of the prompt.
    tokenize = {"model": model, "prompt": text, "add_special_tokens": False}
    tokens = await connection.tokens(json.dumps(tokenize))
    if isinstance(tokens, RowFailure):
        return TextReply(id, None, 0, tokens.state, tokens.reason)
    if not tokens:
        return TextReply(id, None, 0, "empty", "The text has no tokens.")
    body: dict[str, Any] = {
        "model": model,
        "prompt": prefix + tokens,
        "max_tokens": 1,
        "temperature": 0.0,
        "prompt_logprobs": 0,
    }
    answer = await connection.post("/completions", body, 1)
    if isinstance(answer, RowFailure):
        return TextReply(id, None, 0, answer.state, answer.reason)
    by_position = (answer["choices"][0].get("prompt_logprobs") or [])[len(prefix) :]
    log_probs = [
        (of_token or {}).get(str(token))
        for of_token, token in zip(by_position, tokens, strict=False)
    ]
    if len(log_probs) < len(tokens) or None in log_probs:
        reason = "The engine did not return the log-probability of every token."
        return TextReply(id, None, 0, "failed", reason)
    nats = -sum(entry["logprob"] for entry in log_probs if entry is not None)
    return TextReply(id, nats, len(tokens), "ok", "")
