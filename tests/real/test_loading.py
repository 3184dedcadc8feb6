"""Adapters and likelihoods of the product are those of PEFT and of a plain computation."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from manybaskets.models import scoring
from manybaskets.models.loading import load_model, load_scorer, load_tokenizer, merge_adapter
from tests.real.conftest import Made

Row = dict[str, str]


def logits_of(model: Any, tokenizer: Any, row: Row) -> torch.Tensor:
    messages = [{"role": "user", "content": row["prompt"]}]
    ids = tokenizer.apply_chat_template(messages, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        logits: torch.Tensor = model(**ids).logits
    return logits


def test_the_adapter_has_the_same_logits_by_plain_peft(
    made: Made, base: Any, tuned: Any, tokenizer: Any, rows: Sequence[Row]
) -> None:
    model, disabled = load_scorer(made.base, made.adapter, threads=2)
    assert disabled is not None
    for row in rows[:4]:
        plain, trained = (logits_of(one, tokenizer, row) for one in (base, tuned))
        assert torch.allclose(logits_of(model, tokenizer, row), trained, atol=1e-4)
        assert (plain - trained).abs().max() > 0.1
        with disabled():
            assert torch.allclose(logits_of(model, tokenizer, row), plain, atol=1e-4)


def test_the_merged_adapter_has_the_same_logits(
    made: Made, tuned: Any, tokenizer: Any, rows: Sequence[Row], tmp_path: Path
) -> None:
    merged = tmp_path / "merged"
    shutil.copytree(made.base, merged, ignore=shutil.ignore_patterns("*.safetensors"))
    merge_adapter(made.base, made.adapter, merged)
    model = load_model(merged, torch.float32).eval()
    for row in rows[:4]:
        expected = logits_of(tuned, tokenizer, row)
        assert torch.allclose(logits_of(model, tokenizer, row), expected, atol=1e-3)


def test_perplexity_is_that_of_a_plain_computation(
    made: Made, tuned: Any, tokenizer: Any, rows: Sequence[Row]
) -> None:
    nats = tokens = 0.0
    for row in rows[:8]:
        messages = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(prompt + row["response"] + "<|im_end|>", return_tensors="pt")["input_ids"]
        start = len(tokenizer(prompt)["input_ids"])
        with torch.no_grad():
            logits = tuned(ids).logits[0, start - 1 : -1]
        nats += float(torch.nn.functional.cross_entropy(logits, ids[0, start:], reduction="sum"))
        tokens += len(logits)
    model, _ = load_scorer(made.base, made.adapter, threads=2)
    scored = scoring.score(model, load_tokenizer(made.base), rows[:8], context=1024)
    assert scored.nats_per_token is not None
    assert math.exp(scored.nats_per_token) == pytest.approx(math.exp(nats / tokens), rel=1e-4)
