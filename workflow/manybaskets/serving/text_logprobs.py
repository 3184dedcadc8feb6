"""How probable an engine finds a given text as the reply to a conversation.

Speaks to engines only: vLLM tells the log-probability of every token of a prompt, OpenAI-compatible
endpoints do not.
"""

import json
from dataclasses import dataclass
from typing import Any

from manybaskets.serving.http import Connection, RowFailure, State


@dataclass(frozen=True)
class TextRequest:
    """One conversation, and a text whose probability as its reply is asked for."""

    id: str
    messages: tuple[dict[str, str], ...]
    text: str


@dataclass(frozen=True)
class TextReply:
    """Negative log-probability of a text in nats, summed over its tokens, under the model.

    Of the text alone: whether the reply would end there does not count. None unless state is ok.
    """

    id: str
    nats: float | None
    tokens: int
    state: State
    reason: str


async def ask_text(connection: Connection, model: str, request: TextRequest) -> TextReply:
    """The reply of an engine that serves `model`."""
    return (await ask_texts(connection, model, request, (request.text,)))[0]


async def ask_texts(
    connection: Connection, model: str, request: TextRequest, texts: tuple[str, ...]
) -> list[TextReply]:
    """The same for several texts after one conversation; `request.text` is not looked at."""
    asked = {"model": model, "messages": list(request.messages), "add_generation_prompt": True}
    prefix = await connection.tokens(json.dumps(asked))
    if isinstance(prefix, RowFailure):
        return [TextReply(request.id, None, 0, prefix.state, prefix.reason) for _ in texts]
    return [await _one(connection, model, request.id, prefix, text) for text in texts]


async def _one(
    connection: Connection, model: str, id: str, prefix: list[int], text: str
) -> TextReply:
    # Tokenized apart, since a reply begins after the last token of what was said.
    asked = {"model": model, "prompt": text, "add_special_tokens": False}
    own = await connection.tokens(json.dumps(asked))
    if isinstance(own, RowFailure):
        return TextReply(id, None, 0, own.state, own.reason)
    if not own:
        return TextReply(id, None, 0, "empty", "The text has no tokens.")
    body: dict[str, Any] = {
        "model": model,
        "prompt": prefix + own,
        "max_tokens": 1,
        "temperature": 0.0,
        "prompt_logprobs": 0,
    }
    answer = await connection.post("/completions", body, 1)
    if isinstance(answer, RowFailure):
        return TextReply(id, None, 0, answer.state, answer.reason)
    told = answer["choices"][0]["prompt_logprobs"][len(prefix) :]
    log_probs = [told[n][str(token)]["logprob"] for n, token in enumerate(own)]
    return TextReply(id, -sum(log_probs), len(own), "ok", "")
