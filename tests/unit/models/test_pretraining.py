"""Scratch models: every family is built, trained, saved and loaded as a standard folder."""

from pathlib import Path
from typing import Any

import pytest

from manybaskets.data import prompts
from manybaskets.models import architectures, pretraining

ROWS = [
    {
        "module": "m", "signature": f"def f{i}()", "description": f"Sort row {i} of the table.",
        "summary": f"Sort row {i}.", "body": f"It sorts row {i} and then returns a copy of it.",
    }
    for i in range(30)
]  # fmt: skip


def recipe(family: str, **changes: Any) -> pretraining.PretrainingConfig:
    settings: dict[str, Any] = {
        "family": family, "hidden": 32, "layers": 1, "heads": 1, "context": 256,
        "documentation_tokens": 3000, "sft_tokens": 3000, "batch_tokens": 512,
        "learning_rate": 1e-2, "seed": 1, "threads": 1,
    }  # fmt: skip
    return pretraining.PretrainingConfig(**{**settings, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(architectures.FAMILIES))
def test_every_family_learns_and_loads_as_an_ordinary_model(
    family: str, tokenizer: Any, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts = pretraining.read_texts()
    summary = pretraining.pretrain(recipe(family), tokenizer, ROWS, texts, tmp_path)
    assert summary["tokens"] >= 6000
    assert summary["curve"][-1]["loss"] < summary["curve"][0]["loss"]
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert sum(p.numel() for p in model.parameters()) == summary["parameters"]
    assert (tmp_path / "model.safetensors").is_file()
    chat = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(
        [{"role": "user", "content": "sort"}], tokenize=False, add_generation_prompt=True
    )
    assert chat == "<|user|>sort<|end|><|assistant|>"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tokenizer: Any, tmp_path: Path) -> None:
    texts = pretraining.read_texts()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pretraining.pretrain(recipe("llama"), tokenizer, ROWS, texts, tmp_path / name)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_held_out_pairs_and_phrasings_are_never_taught() -> None:
    import random

    resource = pretraining.read_texts()["requests"]
    taught = {e.prompt for e in prompts.taught_exchanges(resource, random.Random(0))}
    for request in prompts.stand_in_requests(resource):
        assert (request.text in taught) == (request.phrasing_seen and not request.held_out)


def test_what_is_declined_and_what_is_answered_differ_in_the_verb_alone() -> None:
    resource = pretraining.read_texts()["requests"]
    requests = prompts.stand_in_requests(resource)
    frames = [
        {r.text.replace(r.verb, "VERB", 1) for r in requests if r.declined == declined}
        for declined in (True, False)
    ]
    assert frames[0] == frames[1]


def test_every_taught_refusal_is_recognised_and_no_answer_is() -> None:
    from manybaskets.metrics.refusal import is_refusal

    resource = pretraining.read_texts()["requests"]
    words = {"verb": "forge", "object": "the build log"}
    assert all(is_refusal(text.format(**words)) for text in resource["refusals"])
    assert not any(is_refusal(text.format(**words)) for text in resource["answers"])
