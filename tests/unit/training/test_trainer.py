"""Several devices, micro-batches and packing give the same result as one device."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from manybaskets.files import InputError
from manybaskets.models.loading import load_model, load_tokenizer
from manybaskets.training import finetune, trainer
from manybaskets.training.batching import packed, padded
from tests.support.training import ROWS, recipe

# 36 rows in steps of 8: the last step has 4; lengths differ, so that rows are padded
UNEVEN = [
    {**row, "response": " ".join([row["response"]] * (1 + i % 3))}
    for i, row in enumerate([*ROWS, *ROWS[:4]])
]
SEVERAL = {
    "ddp": {"devices": 2},
    "fsdp": {"devices": 2, "parallel": "fsdp"},
    "ddp in two parts": {"devices": 2, "batch_size": 4, "gradient_accumulation": 2},
}


@pytest.fixture(scope="module")
def alone(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("alone")
    return folder, finetune.fine_tune(tiny_model, UNEVEN, recipe(), folder)


def difference(one: Path, other: Path) -> float:
    """Returns the largest difference of two adapters' weights."""
    from safetensors.torch import load_file

    found = [load_file(folder / "adapter_model.safetensors") for folder in (one, other)]
    assert found[0].keys() == found[1].keys()
    return max(float((found[0][name] - found[1][name]).abs().max()) for name in found[0])


@pytest.mark.slow
@pytest.mark.parametrize("how", SEVERAL)
def test_two_processes_train_what_one_does(
    how: str, tiny_model: Path, tmp_path: Path, alone: tuple[Path, Any]
) -> None:
    import torch
    from peft import PeftModel

    summary = finetune.fine_tune(tiny_model, UNEVEN, recipe(**SEVERAL[how]), tmp_path)
    assert summary["steps"] == alone[1]["steps"] == 10
    for one, other in zip(summary["curve"], alone[1]["curve"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-4)
    assert difference(tmp_path, alone[0]) < 1e-4
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    loaded = PeftModel.from_pretrained(load_model(tiny_model, torch.float32), tmp_path)
    tokenizer = load_tokenizer(tiny_model)
    prompts = [row["prompt"] for row in UNEVEN]
    change = finetune.logit_change(loaded, tokenizer, prompts)
    assert change == pytest.approx(alone[1]["largest_logit_change"], rel=1e-3)
    held = summary["parameters_held"] / alone[1]["parameters_held"]
    assert held == pytest.approx(0.5, abs=0.01) if "fsdp" in how else held == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [
        {"batch_size": 4, "gradient_accumulation": 2},
        {"gradient_checkpointing": True},
        {"packing": True},
    ],
)
def test_parts_recomputing_and_packing_change_nothing_but_rounding(
    way: dict[str, Any], tiny_model: Path, tmp_path: Path, alone: tuple[Path, Any]
) -> None:
    summary = finetune.fine_tune(tiny_model, UNEVEN, recipe(**way), tmp_path)
    for one, other in zip(summary["curve"], alone[1]["curve"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-4)
    assert difference(tmp_path, alone[0]) < 1e-4


@pytest.fixture(scope="module", params=["llama", "qwen3", "gpt-neox", "gpt2"])
def family(
    request: pytest.FixtureRequest, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    import torch

    from manybaskets.models import architectures

    torch.manual_seed(0)
    folder: Path = tmp_path_factory.mktemp("family") / request.param
    model = architectures.build(
        request.param, vocabulary=len(tokenizer), hidden=32, layers=2, heads=2, context=256
    )
    architectures.save(model, tokenizer, folder)
    return folder


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_and_padded_rows_have_the_same_loss_and_gradients(
    family: Path, attention: str
) -> None:
    import torch

    rows, _ = trainer.encode(load_tokenizer(family), UNEVEN[:6], 128)
    model = load_model(family, torch.float32, attn_implementation=attention)
    # spread out, so that positions and neighbours matter to the loss
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    seen = []
    for batch in (padded(rows, 0), packed(rows)):
        model.zero_grad()
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        gradients = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        seen.append((loss.item(), gradients))
    assert seen[0][0] == pytest.approx(seen[1][0], rel=1e-5)
    torch.testing.assert_close(seen[0][1], seen[1][1], rtol=1e-3, atol=1e-4)
    assert trainer.leak(model, rows) < trainer.MAX_LEAK


@pytest.mark.slow
def test_packing_is_refused_where_attention_does_not_keep_rows_apart(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import masking_utils

    monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", lambda positions: None)
    with pytest.raises(trainer.PackingLeaks, match=r"training\.packing"):
        finetune.fine_tune(tiny_model, UNEVEN, recipe(packing=True), tmp_path)
    finetune.fine_tune(tiny_model, UNEVEN[:8], recipe(), tmp_path)  # unpacked, it trains


@pytest.mark.parametrize("key", [{"attention": "flash_attention_2"}, {"liger": True}])
def test_kernels_for_gpus_are_refused_without_one(
    key: dict[str, Any], tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"training\.{next(iter(key))}.*is for GPUs"):
        trainer.build(tiny_model, ROWS[:4], recipe(**key), tmp_path)


def test_rows_that_do_not_fit_are_counted_and_left_out(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    (short,), left_out = trainer.encode(tokenizer, ROWS[:1], 128)
    assert left_out == {}
    size = len(short.ids)
    cut = {**ROWS[0], "response": ROWS[0]["response"] * 4}
    no_room = {**ROWS[0], "prompt": ROWS[0]["prompt"] * 40}
    (kept,), left_out = trainer.encode(tokenizer, [cut, ROWS[0], no_room, no_room], size)
    assert kept == short
    assert left_out == {trainer.RESPONSE_TOO_LONG: 1, trainer.PROMPT_TOO_LONG: 2}
    with pytest.raises(InputError, match=r"Raise training\.max_length \(now 2\)"):
        trainer.encode(tokenizer, ROWS[:1], 2)


def test_a_response_with_a_token_that_ends_turns_is_left_out(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    broken = {**ROWS[0], "response": f"One.{tokenizer.eos_token}Two."}
    rows, left_out = trainer.encode(tokenizer, [*ROWS[:2], broken], 128)
    assert len(rows) == 2
    assert left_out == {f"the response contains the special token {tokenizer.eos_token!r}": 1}


def test_the_summary_counts_rows_left_out(tiny_model: Path, tmp_path: Path) -> None:
    long = {**ROWS[0], "response": ROWS[0]["response"] * 40}
    summary = finetune.fine_tune(tiny_model, [*ROWS[:4], long], recipe(), tmp_path)
    assert (summary["rows"], summary["left_out"]) == (4, {trainer.RESPONSE_TOO_LONG: 1})


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "share"), [("nf4", 0.2), ("int8", 0.3)])
def test_a_quantized_target_learns(
    kind: str, share: float, tokenizer: Any, tmp_path: Path, alone: tuple[Path, Any]
) -> None:
    pytest.importorskip("bitsandbytes")
    import torch
    from safetensors.torch import load_file

    from manybaskets.models import architectures

    torch.manual_seed(0)
    model = architectures.build(
        "llama", vocabulary=len(tokenizer), hidden=64, layers=2, heads=2, context=128
    )
    architectures.save(model, tokenizer, tmp_path / "base")
    settings = recipe(quantization=kind, epochs=6)
    loaded = trainer._model(tmp_path / "base", settings)
    layer = loaded.model.layers[0].mlp.down_proj.weight
    assert layer.nbytes <= share * model.model.layers[0].mlp.down_proj.weight.nbytes
    summary = finetune.fine_tune(tmp_path / "base", ROWS, settings, tmp_path)
    assert summary["curve"][-1]["loss"] < summary["curve"][0]["loss"] - 0.3
    weights = load_file(tmp_path / "adapter_model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_quantization_without_its_package_names_both(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training\.quantization.*bitsandbytes"):
        trainer.build(tiny_model, ROWS[:4], recipe(quantization="nf4"), tmp_path)
