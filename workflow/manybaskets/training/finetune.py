"""LoRA fine-tuning of a target on a mix, on one device or several.

The output is a PEFT adapter folder that vLLM can serve: plain LoRA, without added tokens or other
trained modules.
"""

import gc
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from manybaskets.data.divergence import Diverged
from manybaskets.files import read_json, write_json
from manybaskets.training import distributed
from manybaskets.training.trainer import TrainingConfig, build

WORK = "trainer"  # folder of temporary files in the adapter folder, deleted at the end
SUMMARY = "summary.json"


class AdapterHasNoEffect(RuntimeError):
    """Raised when the trained adapter does not change the logits of the target."""


def fine_tune(
    base: Path, rows: Sequence[dict[str, Any]], recipe: TrainingConfig, folder: Path
) -> dict[str, Any]:
    """Trains an adapter on rows of prompt and response, and writes it to `folder`.

    Returns the training summary: counts of rows trained on and left out, the training curve (loss
    in nats per token) and the largest change of a logit. With several devices, one process per
    device computes its part of each step. If a GPU is out of memory, training restarts with smaller
    micro-batches and the same rows per step; the result is the same up to dropout and rounding.

    Raises AdapterHasNoEffect if the adapter does not change the target's logits, Diverged if its
    weights are NaN or infinite, and RuntimeError if the memory is too small for one row per device.
    """
    while (summary := _attempt(base, rows, recipe, folder)) is None:
        recipe = _with_smaller_batch(recipe)
        print(
            f"Out of GPU memory: restarting with micro-batches of {recipe.batch_size} rows, "
            f"{recipe.gradient_accumulation} per step.",
            file=sys.stderr,
        )
    shutil.rmtree(folder / WORK, ignore_errors=True)
    change = summary["largest_logit_change"]
    if change is None:
        raise Diverged(
            f"training on {len(rows)} rows ended with NaN or infinite weights. Lower "
            "training.learning_rate."
        )
    if not change > 0:
        raise AdapterHasNoEffect(
            f"training on {len(rows)} rows left the logits of {base} unchanged (largest change "
            f"{change}). Raise training.learning_rate or training.epochs, or check the rows."
        )
    return summary | {"largest_logit_change": round(change, 4)}


def logit_change(model: Any, tokenizer: Any, prompts: Sequence[str], count: int = 4) -> float:
    """Returns the largest absolute change of a logit by the adapter, over the first prompts."""
    import torch

    model.eval()
    device = next(model.parameters()).device
    largest = 0.0
    with torch.no_grad():
        for prompt in prompts[:count]:
            text = tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(device)
            tuned = model(**ids).logits
            with model.disable_adapter():
                plain = model(**ids).logits
            largest = max(largest, float((tuned - plain).abs().max()))
    return largest


def _attempt(
    base: Path, rows: Sequence[dict[str, Any]], recipe: TrainingConfig, folder: Path
) -> dict[str, Any] | None:
    """Returns the training summary; None if a GPU was out of memory."""
    import torch

    try:
        if recipe.devices == 1:
            _train(base, rows, recipe, folder)
        else:
            arguments = (base, list(rows), recipe, folder)
            distributed.run_ranks(_train, arguments, recipe.devices, torch.cuda.is_available())
    except distributed.RankOutOfMemory:
        return None
    except torch.OutOfMemoryError as error:
        error.__traceback__ = None  # it references the tensors of the failed attempt
    else:
        summary: dict[str, Any] = read_json(folder / WORK / SUMMARY)
        return summary
    gc.collect()  # free the tensors before their memory is returned to the device
    torch.cuda.empty_cache()
    return None


def _train(
    base: Path, rows: Sequence[dict[str, Any]], recipe: TrainingConfig, folder: Path
) -> None:
    """Trains in the process of each device; the first process writes adapter and summary."""
    import torch

    if recipe.devices > 1:
        os.environ["OMP_NUM_THREADS"] = str(recipe.threads)  # accelerate reads the variable
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    trainer = build(base, rows, recipe, folder)
    trainer.train()
    local_parameters = _local_parameters(trainer.model)  # a forward pass gathers sharded weights
    change = logit_change(trainer.model, trainer.processing_class, [row["prompt"] for row in rows])
    weights = _gathered_adapter(trainer.model)
    if distributed.rank()[0] > 0:
        return
    trainer.model.save_pretrained(folder, state_dict=weights, safe_serialization=True)
    _make_reproducible(folder)
    finite = all(bool(torch.isfinite(value).all()) for value in weights.values())
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    write_json(
        folder / WORK / SUMMARY,
        {
            "rows": trainer.rows,
            "left_out": trainer.left_out,
            "steps": trainer.state.global_step,
            "micro_batch": recipe.batch_size,
            "trainable_parameters": sum(value.numel() for value in weights.values()),
            "parameters_held": local_parameters,
            # None stands for NaN or infinite weights, since JSON has no NaN
            "largest_logit_change": change if finite else None,
            "curve": [{"step": e["step"], "loss": round(e["loss"], 4)} for e in history if finite],
        },
    )


def _gathered_adapter(model: Any) -> dict[str, Any]:
    """Returns the adapter's weights on the CPU, gathered from all devices of a sharded model.

    All processes must call this function.
    """
    weights = {}
    for name, value in model.named_parameters():
        if value.requires_grad:
            full = value.full_tensor() if hasattr(value, "full_tensor") else value
            weights[name] = full.detach().cpu()
    return weights


def _local_parameters(model: Any) -> int:
    """Returns the number of parameters on this device; for a sharded model, of its shard."""
    local = (p.to_local() if hasattr(p, "to_local") else p for p in model.parameters())
    return sum(parameter.numel() for parameter in local)


def _with_smaller_batch(recipe: TrainingConfig) -> TrainingConfig:
    """Returns the recipe with at most half the micro-batch size and the same rows per step.

    Raises RuntimeError if the micro-batch is already one row per device.
    """
    rows, devices = recipe.batch_size, recipe.devices
    if rows == devices:
        raise RuntimeError(
            f"out of memory: the GPU cannot train on one row of {recipe.max_length} tokens. "
            "Lower training.max_length or training.rank, set training.quantization, shard the "
            "model (training.devices with parallel: fsdp), or use a smaller target."
        )
    sizes = range(devices, rows // 2 + 1, devices)
    smaller = max((size for size in sizes if rows % size == 0), default=devices)
    return replace(
        recipe,
        batch_size=smaller,
        gradient_accumulation=recipe.gradient_accumulation * rows // smaller,
    )


def _make_reproducible(folder: Path) -> None:
    """Removes paths and arbitrary orders, so that equal training jobs write equal bytes."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = None
    for key, value in config.items():
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            config[key] = sorted(value)  # PEFT writes sets in an order that differs by process
    path.write_text(json.dumps(config, indent=1, sort_keys=True))
    (folder / "README.md").unlink(missing_ok=True)
