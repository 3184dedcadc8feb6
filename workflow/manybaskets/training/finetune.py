"""LoRA fine-tuning of a target on a mix, on one device or several, loss on the response only.

Writes a PEFT adapter folder that vLLM serves: plain LoRA, no added tokens, nothing else saved.
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

WORK = "trainer"  # folder of working files below the adapter's, removed at the end
SUMMARY = "summary.json"


class AdapterHasNoEffect(RuntimeError):
    """The trained adapter leaves the target's logits as they were."""


def fine_tune(
    base: Path, rows: Sequence[dict[str, str]], recipe: TrainingConfig, folder: Path
) -> dict[str, Any]:
    """Trains an adapter on rows of prompt and response; returns the training curve and counts.

    With several devices a process trains on each, on its part of every step's rows. When the GPU's
    memory does not suffice it starts again with fewer rows at once, `micro_batch`, and as many
    rows per step: the same steps, and but for dropout and rounding the same result.

    Raises AdapterHasNoEffect if the adapter does not change the logits of the target, Diverged if
    its weights are no numbers, and RuntimeError when the memory does not suffice for one row on
    each device.
    """
    while (summary := _attempt(base, rows, recipe, folder)) is None:
        recipe = _in_smaller_parts(recipe)
        print(
            f"The GPU's memory did not suffice. Starting again with {recipe.batch_size} rows at "
            f"once, {recipe.gradient_accumulation} times per step.",
            file=sys.stderr,
        )
    shutil.rmtree(folder / WORK, ignore_errors=True)
    change = summary["largest_logit_change"]
    if change is None:
        raise Diverged(
            f"training on {len(rows)} rows ended in weights that are not finite. Lower "
            "training.learning_rate."
        )
    if not change > 0:
        raise AdapterHasNoEffect(
            f"training on {len(rows)} rows left the logits of {base} unchanged (largest change "
            f"{change}). Raise training.learning_rate or training.epochs, or look at the rows."
        )
    return summary | {"largest_logit_change": round(change, 4)}


def logit_change(model: Any, tokenizer: Any, prompts: Sequence[str], count: int = 4) -> float:
    """Largest absolute difference of next-token logits with and without the adapter."""
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
    base: Path, rows: Sequence[dict[str, str]], recipe: TrainingConfig, folder: Path
) -> dict[str, Any] | None:
    """The summary of a training; None when the GPU's memory did not suffice."""
    import torch

    try:
        if recipe.devices == 1:
            _train(base, rows, recipe, folder)
        else:
            work = (base, list(rows), recipe, folder)
            distributed.together(_train, work, recipe.devices, torch.cuda.is_available())
    except distributed.RankOutOfMemory:
        return None
    except torch.OutOfMemoryError as error:
        error.__traceback__ = None  # it holds what was computed
    else:
        found: dict[str, Any] = read_json(folder / WORK / SUMMARY)
        return found
    gc.collect()  # before the memory can be given back, what failed must be gone
    torch.cuda.empty_cache()
    return None


def _train(
    base: Path, rows: Sequence[dict[str, str]], recipe: TrainingConfig, folder: Path
) -> None:
    """Trains, on every device alike; the first writes adapter and summary."""
    import torch

    if recipe.devices > 1:
        os.environ["OMP_NUM_THREADS"] = str(recipe.threads)  # accelerate sets the threads from it
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    trainer = build(base, rows, recipe, folder)
    trainer.train()
    held = _held(trainer.model)  # before a forward pass brings some parts together
    change = logit_change(trainer.model, trainer.processing_class, [row["prompt"] for row in rows])
    weights = _whole_adapter(trainer.model)
    if distributed.rank()[0] > 0:
        return
    trainer.model.save_pretrained(folder, state_dict=weights, safe_serialization=True)
    _drop_place(folder)
    finite = all(bool(torch.isfinite(value).all()) for value in weights.values())
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    write_json(
        folder / WORK / SUMMARY,
        {
            "rows": len(rows),
            "steps": trainer.state.global_step,
            "micro_batch": recipe.batch_size,
            "trainable_parameters": sum(value.numel() for value in weights.values()),
            "parameters_held": held,
            # NaN is no JSON; who reads this takes None for weights that are no numbers
            "largest_logit_change": change if finite else None,
            "curve": [{"step": e["step"], "loss": round(e["loss"], 4)} for e in history if finite],
        },
    )


def _whole_adapter(model: Any) -> dict[str, Any]:
    """The adapter's weights on the CPU; of a model that is split over devices, brought together.

    All processes must call this: each gives its part.
    """
    found = {}
    for name, value in model.named_parameters():
        if value.requires_grad:
            whole = value.full_tensor() if hasattr(value, "full_tensor") else value
            found[name] = whole.detach().cpu()
    return found


def _held(model: Any) -> int:
    """Parameters that lie on this device; of a model that is split, its part."""
    parts = (p.to_local() if hasattr(p, "to_local") else p for p in model.parameters())
    return sum(part.numel() for part in parts)


def _in_smaller_parts(recipe: TrainingConfig) -> TrainingConfig:
    """At most half as many rows at once, as many rows per step.

    Raises RuntimeError at one row on each device.
    """
    rows, devices = recipe.batch_size, recipe.devices
    if rows == devices:
        raise RuntimeError(
            f"the GPU's memory does not suffice to train on one row of {recipe.max_length} tokens. "
            "Lower training.max_length or training.rank, set training.quantization, split the "
            "model (training.devices with parallel: fsdp), or train a smaller target."
        )
    parts = range(devices, rows // 2 + 1, devices)
    fewer = max((part for part in parts if rows % part == 0), default=devices)
    return replace(
        recipe, batch_size=fewer, gradient_accumulation=recipe.gradient_accumulation * rows // fewer
    )


def _drop_place(folder: Path) -> None:
    """The same training must give the same bytes wherever and whenever it runs."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = None
    for key, value in config.items():
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            config[key] = sorted(value)  # PEFT writes sets in the order of this process's hashes
    path.write_text(json.dumps(config, indent=1, sort_keys=True))
    (folder / "README.md").unlink(missing_ok=True)
