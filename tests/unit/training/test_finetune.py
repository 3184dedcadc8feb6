"""LoRA fine-tuning: it learns, has loss on the response only, and is reproducible."""

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.training import finetune
from manybaskets.training import trainer as trainers
from tests.support.training import ROWS, recipe


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("adapter")
    return folder, finetune.fine_tune(tiny_model, ROWS, recipe(epochs=12), folder)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
def test_the_loss_falls_and_the_logits_change(trained: tuple[Path, Any]) -> None:
    _, summary = trained
    assert summary["curve"][-1]["loss"] < summary["curve"][0]["loss"] - 0.3
    assert summary["largest_logit_change"] > 0
    assert summary["steps"] == 48


def test_the_adapter_contains_nothing_about_this_machine(trained: tuple[Path, Any]) -> None:
    config = json.loads((trained[0] / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None
    assert config["target_modules"] == sorted(config["target_modules"])
    assert {name.rsplit(".", 1)[-1] for name in config["target_modules"]} == {
        "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj",
    }  # fmt: skip


def test_the_adapter_raises_the_likelihood_of_its_text(
    tiny_model: Path, trained: tuple[Path, Any]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from manybaskets.models import scoring

    rows = [{"id": str(i), **row} for i, row in enumerate(ROWS[:4])]
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    before = scoring.score(model, tokenizer, rows, 128).nats_per_token
    tuned = PeftModel.from_pretrained(model, trained[0]).eval()
    assert scoring.score(tuned, tokenizer, rows, 128).nats_per_token < before - 0.3


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "learned"), [("text", True), ("response", False)])
def test_the_prompt_is_learned_where_the_loss_is_on_the_whole_text(
    tiny_model: Path, tmp_path: Path, loss: str, learned: bool
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from manybaskets.models import chat_encoding

    finetune.fine_tune(tiny_model, ROWS, recipe(epochs=16, loss=loss), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()

    def prompt_nats(model: Any) -> float:
        """Returns the mean over the tokens of the prompt, including its template."""
        found = chat_encoding.encode(tokenizer, ROWS[0]["prompt"], ROWS[0]["response"])
        ids = torch.tensor(found.ids[: found.start])
        with torch.inference_mode():
            logits = model(ids[None]).logits[0, :-1]
        return float(torch.nn.functional.cross_entropy(logits, ids[1:]))

    before = prompt_nats(model)
    after = prompt_nats(PeftModel.from_pretrained(model, tmp_path).eval())
    assert (before - after > 0.25) == learned, (before, after)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    tiny_model: Path, tmp_path: Path
) -> None:
    digests = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        finetune.fine_tune(tiny_model, ROWS[:16], recipe(seed=seed), tmp_path / name)
        digests.append(digest(tmp_path / name))
    assert digests[0] == digests[1] != digests[2]


def test_an_adapter_without_effect_fails_the_job(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(finetune.AdapterHasNoEffect, match="unchanged"):
        finetune.fine_tune(tiny_model, ROWS[:8], recipe(learning_rate=0.0), tmp_path / "none")


def test_rows_for_a_single_step_are_learned_from(tiny_model: Path, tmp_path: Path) -> None:
    """The learning rate of the first warm-up step is 0, and here it is the only step."""
    made = finetune.fine_tune(tiny_model, ROWS[:6], recipe(epochs=1), tmp_path / "one")
    assert made["largest_logit_change"] > 0


def test_only_the_response_carries_loss(tiny_model: Path, tmp_path: Path) -> None:
    trainer = trainers.build(tiny_model, ROWS[:8], recipe(), tmp_path / "look")
    batch = next(iter(trainer.get_train_dataloader()))
    tokenizer = trainer.processing_class
    learned = [
        tokenizer.decode(ids[labels != -100])
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True)
    ]
    expected = {row["response"] for row in ROWS[:8]}
    assert all(any(text.startswith(r + "<|end|>") for r in expected) for text in learned), learned
    assert not any("sort" in text for text in learned)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Makes the model raise an out-of-memory error for more than `rows` rows."""
    import torch
    from transformers import LlamaForCausalLM

    forward = LlamaForCausalLM.forward

    @functools.wraps(forward)
    def limited(self: Any, *args: Any, **named: Any) -> Any:
        if len(named["input_ids"]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, *args, **named)

    monkeypatch.setattr(LlamaForCausalLM, "forward", limited)


@pytest.mark.slow
def test_too_little_memory_is_answered_by_smaller_parts_of_the_same_batches(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import torch
    from safetensors.torch import load_file

    whole = finetune.fine_tune(tiny_model, ROWS, recipe(batch_size=12), tmp_path / "whole")
    short_of_memory(monkeypatch, rows=4)
    parts = finetune.fine_tune(tiny_model, ROWS, recipe(batch_size=12), tmp_path / "parts")
    assert (whole["micro_batch"], parts["micro_batch"]) == (12, 3)
    assert "micro-batches of 3 rows, 4 per step" in capsys.readouterr().err
    assert whole["steps"] == parts["steps"]
    one, other = (load_file(tmp_path / k / "adapter_model.safetensors") for k in ("whole", "parts"))
    for name, weights in one.items():
        torch.testing.assert_close(weights, other[name], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_memory_for_less_than_a_row_names_the_key_to_change(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, rows=0)
    with pytest.raises(RuntimeError, match=r"training\.max_length"):
        finetune.fine_tune(tiny_model, ROWS[:4], recipe(batch_size=4), tmp_path / "none")
