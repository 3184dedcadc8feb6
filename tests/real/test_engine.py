"""vLLM's replies and log-probabilities are those of transformers and of the scorer."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from manybaskets.models import scoring
from manybaskets.models.loading import load_scorer, load_tokenizer
from manybaskets.serving.client import ChatRequest, Client, LabelRequest
from manybaskets.serving.engine import engine
from manybaskets.serving.text_logprobs import TextRequest
from manybaskets.serving.vllm_args import EngineSettings
from tests.real.conftest import Made

SETTINGS = EngineSettings(dtype="float32", max_model_len=1024, keep_alive=600.0)
NEAR_TIE = 1e-3  # difference of the two highest logits
TOLERANCE = 1e-3  # nats per token
PROMPTS, MAX_TOKENS = 20, 40

Row = dict[str, str]


@pytest.fixture(params=["base", "tuned"])
def served(request: pytest.FixtureRequest, made: Made) -> Iterator[tuple[Client, Any]]:
    """A client of the engine, and the same model by plain tools; with and without the adapter."""
    adapter = made.adapter if request.param == "tuned" else None
    with engine(made.base, SETTINGS, adapter) as client:
        yield client, request.getfixturevalue(request.param)


def test_greedy_texts_are_those_of_transformers_until_a_near_tie(
    served: tuple[Client, Any], tokenizer: Any, rows: Sequence[Row]
) -> None:
    client, model = served
    requests = [
        ChatRequest(row["id"], user(row["prompt"]), seed=1, temperature=0.0, max_tokens=MAX_TOKENS)
        for row in rows[:PROMPTS]
    ]
    same = sum(
        is_same(model, tokenizer, request, reply.text)
        for request, reply in zip(requests, client.chat(requests), strict=True)
    )
    assert same >= 0.8 * PROMPTS


def is_same(model: Any, tokenizer: Any, request: ChatRequest, text: str) -> bool:
    """Returns whether a reply is that of `model.generate`; fails if they differ without a tie."""
    prompt = tokenizer.apply_chat_template(
        list(request.messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    made = model.generate(
        **prompt,
        max_new_tokens=request.max_tokens,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    tokens = made.sequences[0, prompt["input_ids"].shape[1] :]
    for number in range(1, len(tokens) + 1):
        if not text.startswith(tokenizer.decode(tokens[:number], skip_special_tokens=True)):
            first, second = made.logits[number - 1][0].topk(2).values
            assert first - second < NEAR_TIE, f"{request.id}: token {number} of {text!r}"
            return False
    assert text == tokenizer.decode(tokens, skip_special_tokens=True)
    return True


def test_log_probabilities_of_texts_are_those_of_the_scorer_and_of_a_plain_forward(
    served: tuple[Client, Any], made: Made, tokenizer: Any, rows: Sequence[Row]
) -> None:
    client, model = served
    requests = [TextRequest(row["id"], user(row["prompt"]), row["response"]) for row in rows[:10]]
    replies = client.text_log_probs(requests)
    adapter = made.adapter if model.__class__.__name__.startswith("Peft") else None
    scorer, _ = load_scorer(made.base, adapter, threads=2)
    scored = scoring.score(scorer, load_tokenizer(made.base), rows[:10], context=1024)
    for number, reply in enumerate(replies):
        plain = nats_of(model, tokenizer, rows[number])
        of_scorer = scored.nats[number] - scored.closing[number]
        assert reply.tokens == len(plain) == scored.tokens[number] - 1
        assert reply.nats is not None
        assert abs(reply.nats - sum(plain)) < TOLERANCE * len(plain)
        assert abs(of_scorer - sum(plain)) < TOLERANCE * len(plain)


def nats_of(model: Any, tokenizer: Any, row: Row) -> list[float]:
    """Returns the negative log-probability of each token of a response, without its end."""
    prefix = tokenizer.apply_chat_template(
        list(user(row["prompt"])), add_generation_prompt=True, return_dict=True
    )["input_ids"]
    own = tokenizer(row["response"], add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        log_probs = model(torch.tensor([prefix + own])).logits[0].log_softmax(-1)
    places = range(len(prefix) - 1, len(prefix) + len(own) - 1)
    return [-float(log_probs[n, token]) for n, token in zip(places, own, strict=True)]


def test_preferences_of_letters_are_the_softmax_of_the_logits(
    served: tuple[Client, Any], tokenizer: Any, rows: Sequence[Row]
) -> None:
    client, model = served
    for first, second in zip(rows[:8:2], rows[1:8:2], strict=True):
        question = (
            f"Which solution is correct? {first['prompt']}\nA: {first['response']}\n"
            f"B: {second['response']}\nAnswer with A or B."
        )
        (reply,) = client.label_log_probs([LabelRequest("1", user(question), ("A", "B"))])
        ids = tokenizer.apply_chat_template(
            list(user(question)), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.no_grad():
            log_probs = model(**ids).logits[0, -1].log_softmax(-1)
        for label, value in zip(("A", "B"), reply.log_probs, strict=True):
            spellings = [tokenizer.encode(text) for text in (label, f" {label}")]
            single = [log_probs[tokens[0]] for tokens in spellings if len(tokens) == 1]
            expected = float(torch.logsumexp(torch.stack(single), 0))
            assert value == pytest.approx(expected, abs=TOLERANCE)
        assert math.exp(reply.log_probs[0] or 0.0) < 1


def user(text: str) -> tuple[dict[str, str], ...]:
    return ({"role": "user", "content": text},)
