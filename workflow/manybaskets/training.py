"""LoRA fine-tuning of a target on a mix: PEFT under TRL's SFTTrainer.

Writes a PEFT adapter folder that vLLM serves: plain LoRA, no added tokens, nothing else saved.
"""

import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from manybaskets.loading import load_model, load_tokenizer


@dataclass(frozen=True)
class Recipe:
    """LoRA and optimizer settings of a cell; `threads` matters on CPUs only.

    `loss` is on the `response` alone, or on the whole `text`, prompt and template included.
    """

    rank: int
    alpha: float
    dropout: float
    modules: str | list[str]
    learning_rate: float
    epochs: float
    batch_size: int
    accumulation: int
    max_length: int
    threads: int
    seed: int
    loss: str = "response"
    trust_remote_code: bool = False


class AdapterHasNoEffect(RuntimeError):
    """The trained adapter leaves the target's logits as they were."""


def fine_tune(
    base: Path, rows: Sequence[dict[str, str]], recipe: Recipe, folder: Path
) -> dict[str, Any]:
    """Trains an adapter on rows of prompt and response; returns the training curve and counts.

    When the GPU's memory does not suffice it starts again with fewer rows at once, `micro_batch`,
    and as many rows per step: the same batches, and but for dropout and rounding the same result.

    Raises AdapterHasNoEffect if the adapter does not change the logits of the target, and
    RuntimeError when the memory does not suffice for one row.
    """
    import torch

    torch.set_num_threads(recipe.threads)
    trainer = _trained(base, rows, recipe, folder)
    while trainer is None:
        gc.collect()  # before the memory can be given back, what failed must be gone
        torch.cuda.empty_cache()
        recipe = _in_smaller_parts(recipe)
        print(
            f"The GPU's memory did not suffice. Starting again with {recipe.batch_size} rows at "
            f"once, {recipe.accumulation} times per step.",
            file=sys.stderr,
        )
        trainer = _trained(base, rows, recipe, folder)
    change = logit_change(trainer.model, trainer.processing_class, [row["prompt"] for row in rows])
    if not change > 0:
        raise AdapterHasNoEffect(
            f"training on {len(rows)} rows left the logits of {base} unchanged (largest change "
            f"{change}). Raise training.learning_rate or training.epochs, or look at the rows."
        )
    trainer.model.save_pretrained(folder, safe_serialization=True)
    _drop_place(folder)
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    return {
        "rows": len(rows),
        "steps": trainer.state.global_step,
        "micro_batch": recipe.batch_size,
        "trainable_parameters": trainer.model.get_nb_trainable_parameters()[0],
        "largest_logit_change": round(change, 4),
        "curve": [{"step": e["step"], "loss": round(e["loss"], 4)} for e in history],
    }


def logit_change(model: Any, tokenizer: Any, prompts: Sequence[str], count: int = 4) -> float:
    """Largest absolute difference of next-token logits with and without the adapter."""
    import torch

    model.eval()
    largest = 0.0
    with torch.inference_mode():
        for prompt in prompts[:count]:
            text = tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
            tuned = model(**ids).logits
            with model.disable_adapter():
                plain = model(**ids).logits
            largest = max(largest, float((tuned - plain).abs().max()))
    return largest


def _trained(base: Path, rows: Sequence[dict[str, str]], recipe: Recipe, folder: Path) -> Any:
    """The trainer after its training; None when the GPU's memory did not suffice."""
    import torch

    torch.manual_seed(recipe.seed)
    try:
        trainer = _trainer(base, rows, recipe, folder)
        trainer.train()
    except torch.OutOfMemoryError:
        return None
    return trainer


def _in_smaller_parts(recipe: Recipe) -> Recipe:
    """At most half as many rows at once, as many rows per step. Raises RuntimeError at one row."""
    rows = recipe.batch_size
    if rows == 1:
        raise RuntimeError(
            f"the GPU's memory does not suffice to train on one row of {recipe.max_length} tokens. "
            "Lower training.max_length or training.rank, or train a smaller target."
        )
    fewer = max(part for part in range(1, rows // 2 + 1) if rows % part == 0)
    return replace(recipe, batch_size=fewer, accumulation=recipe.accumulation * rows // fewer)


def _trainer(base: Path, rows: Sequence[dict[str, str]], recipe: Recipe, folder: Path) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    gpu = torch.cuda.is_available()
    model = load_model(base, torch.bfloat16 if gpu else torch.float32, recipe.trust_remote_code)
    data = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "completion": [{"role": "assistant", "content": row["response"]}],
            }
            for row in rows
        ]
    )
    settings = SFTConfig(
        output_dir=str(folder / "trainer"),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        weight_decay=0.01,
        max_length=recipe.max_length,
        packing=False,
        completion_only_loss=recipe.loss == "response",
        seed=recipe.seed,
        data_seed=recipe.seed,
        bf16=gpu,
        use_cpu=not gpu,
        gradient_checkpointing=gpu,
        dataloader_pin_memory=gpu,
        logging_steps=5,
        save_strategy="no",
        report_to="none",
        disable_tqdm=False,
        train_sampling_strategy="group_by_length",
    )
    lora = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=recipe.modules,
        bias="none",
        task_type="CAUSAL_LM",
    )
    tokenizer = load_tokenizer(base, recipe.trust_remote_code)
    print(f"{len(data)} rows, {recipe.epochs} epochs, rank {recipe.rank}", file=sys.stderr)
    trainer = SFTTrainer if gpu else _with_plain_loss(SFTTrainer)
    return trainer(
        model=model, args=settings, train_dataset=data, peft_config=lora, processing_class=tokenizer
    )


def _with_plain_loss(trainer: Any) -> Any:
    """The trainer with transformers' own cross-entropy over the same labels.

    TRL's chunked log-probabilities save GPU memory; on a CPU they take more time than the rest of
    the step (0.53 s instead of 0.25 s at 0.9 M parameters), for the same loss.
    """
    from transformers import Trainer

    return type("PlainLossTrainer", (trainer,), {"compute_loss": Trainer.compute_loss})


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
