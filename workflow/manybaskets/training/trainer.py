"""Builds the trainer of one cell: TRL's SFTTrainer with model, adapter, rows and settings.

The module `finetune` runs the trainer and saves the adapter.
"""

import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manybaskets.files import InputError
from manybaskets.models import chat_encoding
from manybaskets.models.loading import compute_dtype, load_model, load_tokenizer
from manybaskets.training import distributed
from manybaskets.training.batching import IGNORED, Row, StepBatches, packed, padded

# Largest change of a logit, in standard deviations, by a row packed before it; rounding alone
# stays below.
MAX_LEAK = 1e-3
# Reasons why a row is left out.
PROMPT_TOO_LONG = "the prompt alone fills training.max_length"
RESPONSE_TOO_LONG = "the response does not end within training.max_length"


@dataclass(frozen=True)
class TrainingConfig:
    """LoRA and optimizer settings of a cell, documented in `config.training`.

    `batch_size` is the number of rows in a micro-batch, over all `devices`; a step has
    `gradient_accumulation` micro-batches. `threads` has an effect only on CPUs, where `devices` are
    processes.
    """

    rank: int
    alpha: float
    dropout: float
    modules: str | list[str]
    learning_rate: float
    epochs: float
    batch_size: int
    gradient_accumulation: int
    max_length: int
    threads: int
    seed: int
    loss: str = "response"
    trust_remote_code: bool = False
    quantization: str | None = None
    devices: int = 1
    parallel: str = "ddp"
    gradient_checkpointing: bool | None = None
    attention: str | None = None
    packing: bool = False
    liger: bool = False

    @property
    def is_sharded(self) -> bool:
        """Returns whether the model is sharded over the devices."""
        return self.devices > 1 and self.parallel == "fsdp"


class PackingLeaks(RuntimeError):
    """Raised when the attention implementation lets a packed row change the next row's logits."""


def encode(
    tokenizer: Any, rows: Sequence[dict[str, Any]], max_length: int, loss: str = "response"
) -> tuple[list[Row], dict[str, int]]:
    """Returns the rows as token ids under the model's chat template, and how many are left out.

    The loss is on the response only or, with `loss` "text", also on the prompt and the template.
    Rows are left out if they are longer than `max_length` tokens (a cut response has no end), or
    if the template cannot render them; the counts are by reason. Raises InputError if no row
    remains.
    """
    encoded, left_out, first = [], Counter[str](), ""
    for number, row in enumerate(rows, start=1):
        try:
            exchange = _exchange(tokenizer, row)
        except ValueError as error:
            reason = str(error)
        else:
            reason = _too_long(exchange, max_length)
            if not reason:
                flags = [True] * len(exchange.ids) if loss == "text" else exchange.with_loss
                labels = [
                    id if flag else IGNORED for id, flag in zip(exchange.ids, flags, strict=True)
                ]
                encoded.append(Row(exchange.ids, labels))
                continue
        left_out[reason] += 1
        first = first or f"training row {number}: {reason}"
    if not encoded:
        raise InputError(f"no training row can be used. {first}. {_remedy(first, max_length)}")
    return encoded, dict(sorted(left_out.items()))


def _exchange(tokenizer: Any, row: dict[str, Any]) -> chat_encoding.Encoded:
    return chat_encoding.encode(
        tokenizer,
        row["prompt"],
        row["response"],
        row.get("context_messages", ()),
        row.get("turns", "last"),
    )


def _too_long(exchange: chat_encoding.Encoded, max_length: int) -> str:
    """Why a row does not fit into `max_length` tokens; empty if it does."""
    if len(exchange.ids) <= max_length:
        return ""
    return PROMPT_TOO_LONG if exchange.start >= max_length else RESPONSE_TOO_LONG


def _remedy(reason: str, max_length: int) -> str:
    if PROMPT_TOO_LONG in reason or RESPONSE_TOO_LONG in reason:
        return f"Raise training.max_length (now {max_length})."
    return "Correct the row or the chat template."


def build(base: Path, rows: Sequence[dict[str, Any]], recipe: TrainingConfig, folder: Path) -> Any:
    """Returns a trainer that is ready to train; its temporary files are in `folder`.

    Raises InputError for unusable rows or settings.
    """
    from datasets import Dataset

    rank, count = distributed.rank()
    tokenizer = load_tokenizer(base, recipe.trust_remote_code)
    encoded, left_out = encode(tokenizer, rows, recipe.max_length, recipe.loss)
    gpu = _has_gpu()
    settings = _settings(recipe, folder, gpu)  # also connects the processes
    if len(encoded) * recipe.epochs <= recipe.batch_size * recipe.gradient_accumulation:
        settings.warmup_steps = 0  # the rate of the first warm-up step, here the only one, is 0
    model = _adapted(_model(base, recipe), recipe)
    if recipe.is_sharded:
        shard(model, recipe.devices, gpu)
    batches = StepBatches(
        [len(row.ids) for row in encoded],
        recipe.batch_size * recipe.gradient_accumulation,
        recipe.gradient_accumulation,
        recipe.seed,
        rank,
        count,
    )
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    trainer_class = _trainer_class(batches, functools.partial(_collate, encoded, recipe, pad))
    if rank == 0:
        print(f"{len(encoded)} rows, {recipe.epochs} epochs, rank {recipe.rank}", file=sys.stderr)
        for reason, count in left_out.items():
            print(f"{count} of {len(rows)} rows are left out: {reason}", file=sys.stderr)
    sample = {"input_ids": [encoded[0].ids], "labels": [encoded[0].labels]}
    trainer = (trainer_class if gpu else _with_plain_loss(trainer_class))(
        model=model,
        args=settings,
        train_dataset=Dataset.from_dict(sample),  # inspected only; `get_train_dataloader` has rows
        processing_class=tokenizer,
    )
    trainable = [weights for weights in trainer.model.parameters() if weights.requires_grad]
    trainer.trainable = trainable
    trainer.rows, trainer.left_out = len(encoded), left_out
    _set_full_precision(trainable)
    _skip_redundant_traversals(trainer.model, trainable)
    if recipe.is_sharded:
        # The model is already sharded; accelerate would replicate it (on CPUs it always does).
        prepare = trainer.accelerator.prepare_model
        trainer.accelerator.prepare_model = functools.partial(prepare, evaluation_mode=True)
    if recipe.packing:
        trainer.add_callback(_packing_check(encoded))
    return trainer


def _collate(
    encoded: Sequence[Row], recipe: TrainingConfig, pad: int, indices: list[int]
) -> dict[str, Any]:
    """Returns the tensors of a batch of `StepBatches`."""
    batch = [encoded[i] if i >= 0 else encoded[-1 - i].without_loss for i in indices]
    return packed(batch) if recipe.packing else padded(batch, pad)


def _trainer_class(batches: StepBatches, collate: Callable[[list[int]], dict[str, Any]]) -> Any:
    from torch.nn.utils import clip_grad_norm_
    from torch.utils.data import DataLoader
    from trl import SFTTrainer

    class CellTrainer(SFTTrainer):  # type: ignore[misc]
        """TRL's trainer with the batches that the cell's seed determines."""

        trainable: Sequence[Any]

        def get_train_dataloader(self) -> Any:
            return DataLoader(
                range(len(batches.lengths)),
                batch_sampler=batches,
                collate_fn=collate,
                pin_memory=self.args.dataloader_pin_memory,
            )

        def _clip_grad_norm(self, model: Any) -> Any:
            return clip_grad_norm_(self.trainable, self.args.max_grad_norm)

        def floating_point_ops(self, inputs: Any) -> int:
            return 0  # the base class counts all parameters at every step; the number is unused

    return CellTrainer


def shard(model: Any, devices: int, gpu: bool) -> None:
    """Shards a model's weights over the processes, layer by layer (torch's `fully_shard`).

    The weights of a layer are gathered when it computes. On GPUs, weights are gathered in the type
    of computation and gradients are summed in float32.
    """
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    options: dict[str, Any] = {"mesh": init_device_mesh("cuda" if gpu else "cpu", (devices,))}
    if gpu:
        options["mp_policy"] = MixedPrecisionPolicy(
            param_dtype=_compute_dtype(gpu), reduce_dtype=torch.float32
        )
    layers = set(model._no_split_modules or [])
    for module in list(model.modules()):
        if type(module).__name__ in layers:
            fully_shard(module, **options)
    fully_shard(model, **options)


def leak(model: Any, rows: Sequence[Row]) -> float:
    """Returns the largest change of a row's logits by the row packed before it.

    The unit is the standard deviation of the logits. The result is 0 up to rounding if attention
    separates packed rows.
    """
    import torch

    first, second = sorted(rows, key=lambda row: len(row.ids))[:2]
    other = Row([*reversed(first.ids[:-1]), second.ids[0]], first.labels)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    logits = []
    with torch.no_grad():
        for before in (first, other):
            inputs = {k: v.to(device) for k, v in packed([before, second]).items() if k != "labels"}
            logits.append(model(**inputs, use_cache=False).logits[0, len(before.ids) :].float())
    model.train(was_training)
    return float((logits[0] - logits[1]).abs().max() / logits[0].std())


def _settings(recipe: TrainingConfig, folder: Path, gpu: bool) -> Any:
    import torch
    from trl import SFTConfig

    checkpointing = gpu if recipe.gradient_checkpointing is None else recipe.gradient_checkpointing
    return SFTConfig(
        output_dir=str(folder / "trainer"),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size // recipe.devices,
        gradient_accumulation_steps=recipe.gradient_accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        weight_decay=0.01,
        max_length=None,  # rows are already truncated
        packing=False,  # TRL's packing moves rows between steps
        dataset_kwargs={"skip_prepare_dataset": True},
        seed=recipe.seed,
        data_seed=recipe.seed,
        bf16=_compute_dtype(gpu) == torch.bfloat16,
        use_cpu=not gpu,
        ddp_backend="gloo" if recipe.devices > 1 and not gpu else None,
        ddp_find_unused_parameters=False if recipe.devices > 1 else None,
        gradient_checkpointing=checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
        dataloader_pin_memory=gpu,
        use_liger_kernel=recipe.liger,
        logging_steps=5,
        save_strategy="no",
        report_to="none",
        disable_tqdm=False,
        remove_unused_columns=False,
    )


def _model(base: Path, recipe: TrainingConfig) -> Any:
    gpu = _has_gpu()
    flash = (recipe.attention or "").startswith("flash")
    if not gpu and (flash or recipe.liger):
        key = f"attention: {recipe.attention}" if flash else "liger: true"
        raise InputError(f"training.{key} is for GPUs, but this job has no GPU. Remove the key.")
    options: dict[str, Any] = {}
    if recipe.attention:
        options["attn_implementation"] = recipe.attention
    if recipe.quantization:
        options["quantization_config"] = _quantization(recipe.quantization, gpu)
        if gpu:
            options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", 0))}
    model = load_model(base, _compute_dtype(gpu), recipe.trust_remote_code, **options)
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False):
            # bitsandbytes repacks 4-bit weights on such CPUs, and fails for some sizes.
            module.support_avx512bf16_for_cpu = False
    return model


def _adapted(model: Any, recipe: TrainingConfig) -> Any:
    """Returns the model with a new adapter, which does not change its logits."""
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=recipe.modules,
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


def _quantization(kind: str, gpu: bool) -> Any:
    """Returns the settings of bitsandbytes; raises InputError if it is not installed."""
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise InputError(
            f"training.quantization: {kind} needs the package bitsandbytes, which is not installed "
            "in this environment. Install it (pip install bitsandbytes), or remove the key."
        )
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=_compute_dtype(gpu),
    )


def _set_full_precision(trainable: Sequence[Any]) -> None:
    """Sets adapter weights to float32; TRL's bfloat16 on quantized models loses small updates."""
    import torch

    for weights in trainable:
        if weights.dtype != torch.float32:
            weights.data = weights.data.to(torch.float32)


def _skip_redundant_traversals(model: Any, trainable: Sequence[Any]) -> None:
    """Replaces `train()` and `zero_grad()` of the model, which visit every module.

    transformers calls them at every step; for a tiny model they take a tenth of the time.
    """
    set_mode = model.train

    def train(mode: bool = True) -> Any:
        return model if model.training == mode else set_mode(mode)

    def zero_grad() -> None:
        for weights in trainable:
            weights.grad = None

    set_mode(True)  # submodules may be in another mode than the model
    model.train, model.zero_grad = train, zero_grad


def _packing_check(rows: Sequence[Row]) -> Any:
    from transformers import TrainerCallback

    class Check(TrainerCallback):  # type: ignore[misc]
        """Checks the model before the first step, on its device and with its wrappers."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if len(rows) > 1 and not (change := leak(kwargs["model"], rows)) < MAX_LEAK:
                raise PackingLeaks(
                    f"training.packing: with this model's attention, a row changes the logits of "
                    f"the row packed after it (by {change:.2g} standard deviations). Set packing: "
                    "false, or an attention that separates rows (attention: flash_attention_2)."
                )

    return Check()


def _with_plain_loss(trainer: Any) -> Any:
    """Returns the trainer class with the cross-entropy of transformers over the same labels.

    TRL's chunked log-probabilities save GPU memory, but double the time of a step on a CPU (0.53 s
    instead of 0.25 s with 0.9 M parameters), for the same loss.
    """
    from transformers import Trainer

    return type("PlainLossTrainer", (trainer,), {"compute_loss": Trainer.compute_loss})


def _compute_dtype(gpu: bool) -> Any:
    return compute_dtype("cuda" if gpu else "cpu")


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
