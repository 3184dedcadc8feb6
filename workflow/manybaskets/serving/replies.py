"""The parts of a model server's answer: the response, its reasoning, and scores of tokens."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from manybaskets.data import responses


class ChatSettings(Protocol):
    """The settings of a chat request that determine how its answer is read."""

    @property
    def raw_prompt(self) -> str:
        """A prompt without a chat template; empty for a conversation."""

    @property
    def reasoning(self) -> responses.Rule:
        """Whether the response contains its reasoning."""

    @property
    def score_tokens(self) -> tuple[str, ...]:
        """Tokens whose log-probabilities are read."""


def first_top(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the likeliest tokens at the first position of a chat reply, [] if there are none."""
    content = (answer["choices"][0].get("logprobs") or {}).get("content") or []
    return (content[0].get("top_logprobs") or []) if content else []


def _raw_text(choice: dict[str, Any], request: ChatSettings) -> str:
    text = choice.get("text") if request.raw_prompt else choice["message"].get("content")
    return text or ""


def response_of(choice: dict[str, Any], request: ChatSettings) -> responses.Response:
    """Returns the reply's text and its reasoning, which some servers return separately."""
    text = _raw_text(choice, request)
    if request.raw_prompt:
        return responses.Response(responses.normalise(text))
    response = responses.split(text, request.reasoning)
    message = choice["message"]
    parsed = message.get("reasoning_content") or message.get("reasoning") or ""
    if not isinstance(parsed, str) or not parsed:
        return response
    if request.reasoning == "keep" and response.text:
        return responses.Response(f"<think>\n{parsed.strip()}\n</think>\n\n{response.text}")
    return replace(response, reasoning=responses.normalise(parsed))


def scores(
    choice: dict[str, Any], request: ChatSettings, text: str
) -> tuple[tuple[int, tuple[float | None, ...]], ...]:
    """Returns `Reply.scores`, with offsets in `text`: the reply without its reasoning."""
    if not request.score_tokens:
        return ()
    removed = max(0, _raw_text(choice, request).rfind(text))
    of_tokens = _scores_of(choice.get("logprobs") or {}, request.score_tokens)
    return tuple((offset - removed, values) for offset, values in of_tokens if offset >= removed)


def _scores_of(
    logprobs: dict[str, Any], score_tokens: Sequence[str]
) -> tuple[tuple[int, tuple[float | None, ...]], ...]:
    """Returns offsets and values from the `logprobs` of the chat or the completions API."""
    if "content" in logprobs:
        tokens = [row.get("token") or "" for row in logprobs["content"] or []]
        tops = [
            {top["token"]: top["logprob"] for top in row.get("top_logprobs") or []}
            for row in logprobs["content"] or []
        ]
    else:
        tokens, tops = logprobs.get("tokens") or [], logprobs.get("top_logprobs") or []
    scores = []
    offset = 0
    for token, top in zip(tokens, tops, strict=False):  # a server may return fewer lists
        if token.strip() in score_tokens:
            values = []
            for label in score_tokens:
                spellings = [value for key, value in (top or {}).items() if key.strip() == label]
                values.append(log_sum_exp(spellings))
            scores.append((offset + token.index(token.strip()), tuple(values)))
        offset += len(token)
    return tuple(scores)


def log_sum_exp(values: Sequence[float]) -> float | None:
    """Returns the logarithm of the sum of exponentials; None without values."""
    if not values:
        return None
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values))
