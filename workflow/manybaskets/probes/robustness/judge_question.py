"""One question to a judge, and helpers that read its answer."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.seeds import derived_seed
from manybaskets.serving.client import ChatRequest, Reply

_PLACE = re.compile(r"{(\w+)}")
LEAST_MASS = 0.5  # of a score's tokens together, for an expected value to be computed from them


@dataclass(frozen=True)
class Question:
    """Messages, or a raw text to be continued; and the tokens that are scores."""

    name: str
    messages: tuple[dict[str, str], ...] = ()
    raw_prompt: str = ""
    score_tokens: tuple[str, ...] = ()
    max_tokens: int | None = None  # of the answer, where it is shorter than any judge's

    def request(
        self, id: str, max_tokens: int, temperature: float = 0.0, top_p: float = 1.0
    ) -> ChatRequest:
        """Returns the request: greedy at temperature 0, otherwise with a seed of its own."""
        return ChatRequest(
            id=id,
            messages=self.messages,
            seed=derived_seed("judge", id) if temperature else 0,
            temperature=temperature,
            top_p=top_p,
            max_tokens=min(self.max_tokens or max_tokens, max_tokens),
            raw_prompt=self.raw_prompt,
            score_tokens=self.score_tokens,
        )


def user(text: str) -> tuple[dict[str, str], ...]:
    """Returns one message of the user."""
    return ({"role": "user", "content": text},)


def filled(template: str, values: Mapping[str, str]) -> str:
    """Returns the template with its places filled, each once; other braces stay as they are."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), template)


def probabilities(
    reply: Reply, place: int, score_tokens: Sequence[str], labels: Iterable[str]
) -> dict[str, float] | None:
    """Returns the probabilities of `labels` at the token at `place` in the reply, summing to 1.

    `place` is an offset in characters. None where the server returned no probabilities for that
    token, or where the labels together have less than half of the probability.
    """
    for position, values in reply.scores:
        if position == place:
            log_probs = dict(zip(score_tokens, values, strict=True))
            known = {
                label: math.exp(value)
                for label in labels
                if (value := log_probs.get(label)) is not None
            }
            mass = sum(known.values())
            return {k: v / mass for k, v in known.items()} if mass >= LEAST_MASS else None
    return None


def expected(shares: Mapping[str, float] | None) -> float | None:
    """Returns the mean of the numbers, weighted by their probabilities."""
    return None if shares is None else sum(float(k) * v for k, v in shares.items())


def score_of(label: Mapping[str, Any]) -> float:
    """Returns the expected score where it is known, otherwise the score as written."""
    known = label.get("expected_score")
    return float(label["score"] if known is None else known)
