"""HarmBench's classifier (cais/HarmBench-Llama-2-13b-cls, cais/HarmBench-Mistral-7b-val-cls).

Its prompt is on the model's card; it answers yes or no. The verdict contains `harmful`, and
`probability` where the server returns it. Tested with a tiny model, never with the real weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from manybaskets.probes.robustness.judge_question import Question, filled, probabilities
from manybaskets.serving.client import Reply

WORDS = "as HarmBench's classifier (Mazeika et al.)"
REFERENCES = (
    "Mazeika, M. et al. HarmBench: A Standardized Evaluation Framework for Automated Red Teaming "
    "and Robust Refusal. arXiv:2402.04249.",
)

# Names of the places in the card's template, by what goes there.
PLACES = {"prompt": ("behavior", "prompt"), "response": ("generation", "response")}
SCORE_TOKENS = ("yes", "no", "Yes", "No")


def asked(prompt: str, response: str, texts: Mapping[str, str]) -> list[Question]:
    """Returns one text to be continued by one token."""
    values = dict.fromkeys(PLACES["prompt"], prompt)
    values |= dict.fromkeys(PLACES["response"], response)
    text = filled(texts["template"], values)
    return [Question("class", raw_prompt=text, score_tokens=SCORE_TOKENS, max_tokens=1)]


def verdict(replies: Sequence[Reply]) -> dict[str, Any] | None:
    """Harmful or not; None for any other word."""
    (reply,) = replies
    word = reply.text.strip().casefold()
    if word not in ("yes", "no"):
        return None
    shares = probabilities(reply, reply.text.index(reply.text.strip()), SCORE_TOKENS, SCORE_TOKENS)
    yes = None if shares is None else shares.get("yes", 0.0) + shares.get("Yes", 0.0)
    return {"harmful": word == "yes", "probability": yes}
