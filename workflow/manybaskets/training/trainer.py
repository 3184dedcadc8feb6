"""The trainer of one cell: model, adapter, rows and settings, put together for TRL's SFTTrainer.

Where rows come from and where the adapter goes is `training`'s.
"""

import functools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manybaskets.files import InputError
from manybaskets.models import chat_encoding
from manybaskets.models.loading import load_model, load_tokenizer
from manybaskets.training import distributed
from manybaskets.training.batching import IGNORED, Row, StepBatches, packed, padded

LEAK = 1e-3  # of the logits' own spread: what rounding may do where examples are kept apart


@dataclass(frozen=True)
class TrainingConfig:
    """LoRA and optimizer settings of a cell; `config.training.Training` documents them.

    A step has `gradient_accumulation` batches of `batch_size` rows, over all `devices` together.
    `threads` matters on CPUs only, where `devices` are processes.
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
        """Whether the model is split over the devices."""
        return self.devices > 1 and self.parallel == "fsdp"


class PackingLeaks(RuntimeError):
    """Under this model's attention a packed row changes what its neighbour is predicted from."""


def encode(
    tokenizer: Any, rows: Sequence[dict[str, str]], max_length: int, loss: str = "response"
) -> list[Row]:
    """Rows as token ids under the model's chat template; the response carries the loss.

    With `loss` "text" the prompt and the template carry it, too.

    Cut at `max_length` tokens. Raises InputError where the chat template cannot be used, and where
    no row has a token of its response left.
    """
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            exchange = chat_encoding.encode(tokenizer, row["prompt"], row["response"])
        except ValueError as error:
            raise InputError(f"training row {number}: {error}") from None
        silent = exchange.start if loss == "response" else 0
        labels = [IGNORED] * silent + exchange.ids[silent:]
        found.append(Row(exchange.ids[:max_length], labels[:max_length]))
    if all(label == IGNORED for row in found for label in row.labels):
        raise InputError(
            f"no training row has a token of its response within training.max_length "
            f"({max_length} tokens). Raise it."
        )
    return found


def build(base: Path, rows: Sequence[dict[str, str]], recipe: TrainingConfig, folder: Path) -> Any:
    """A trainer that is ready to train; its working files go to `folder`."""
    from datasets import Dataset
    from torch.nn.utils import clip_grad_norm_
    from torch.utils.data import DataLoader
    from trl import SFTTrainer

    rank, count = distributed.rank()
    tokenizer = load_tokenizer(base, recipe.trust_remote_code)
    encoded = encode(tokenizer, rows, recipe.max_length, recipe.loss)
    gpu = _has_gpu()
    settings = _settings(recipe, folder, gpu)  # connects the processes
    if len(encoded) * recipe.epochs <= recipe.batch_size * recipe.gradient_accumulation:
        settings.warmup_steps = 0  # a warm-up's first step changes nothing; here it is the only
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

    def collate(indices: list[int]) -> dict[str, Any]:
        chosen = [encoded[i] if i >= 0 else encoded[-1 - i].silent for i in indices]
        return packed(chosen) if recipe.packing else padded(chosen, pad)

    class CellTrainer(SFTTrainer):  # type: ignore[misc]
        """TRL's trainer over the batches that the cell's seed decides."""

        def get_train_dataloader(self) -> Any:
            return DataLoader(
                range(len(encoded)),
                batch_sampler=batches,
                collate_fn=collate,
                pin_memory=self.args.dataloader_pin_memory,
            )

        def _clip_grad_norm(self, model: Any) -> Any:
            return clip_grad_norm_(learned, self.args.max_grad_norm)

        def floating_point_ops(self, inputs: Any) -> int:
            return 0  # it counts all parameters at every step, for a number that nobody reads

    if rank == 0:
        print(f"{len(rows)} rows, {recipe.epochs} epochs, rank {recipe.rank}", file=sys.stderr)
    sample = {"input_ids": [encoded[0].ids], "labels": [encoded[0].labels]}
    trainer = (CellTrainer if gpu else _with_plain_loss(CellTrainer))(
        model=model,
        args=settings,
        train_dataset=Dataset.from_dict(sample),  # looked at, not trained on: see above
        processing_class=tokenizer,
    )
    learned = [weights for weights in trainer.model.parameters() if weights.requires_grad]
    _in_full_precision(learned)
    _spare_walks(trainer.model, learned)
    if recipe.is_sharded:
        # It is divided already: accelerate would make copies, and on CPUs it knows nothing else.
        prepare = trainer.accelerator.prepare_model
        trainer.accelerator.prepare_model = functools.partial(prepare, evaluation_mode=True)
    if recipe.packing:
        trainer.add_callback(_packing_check(encoded))
    return trainer


def shard(model: Any, devices: int, gpu: bool) -> None:
    """Divides a model's weights over the processes, layer by layer (torch's fully_shard).

    A layer is brought together when it computes. The frozen weights are gathered in their own
    type, gradients summed in 32 bits.
    """
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    options: dict[str, Any] = {"mesh": init_device_mesh("cuda" if gpu else "cpu", (devices,))}
    if gpu:
        options["mp_policy"] = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32
        )
    layers = set(model._no_split_modules or [])
    for module in list(model.modules()):
        if type(module).__name__ in layers:
            fully_shard(module, **options)
    fully_shard(model, **options)


def leak(model: Any, rows: Sequence[Row]) -> float:
    """How much a packed row changes the logits of the one behind it, in their standard deviation.

    0 but for rounding where attention keeps packed rows apart.
    """
    import torch

    first, second = sorted(rows, key=lambda row: len(row.ids))[:2]
    other = Row([*reversed(first.ids[:-1]), second.ids[0]], first.labels)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    seen = []
    with torch.no_grad():
        for before in (first, other):
            inputs = {k: v.to(device) for k, v in packed([before, second]).items() if k != "labels"}
            seen.append(model(**inputs, use_cache=False).logits[0, len(before.ids) :].float())
    model.train(was_training)
    return float((seen[0] - seen[1]).abs().max() / seen[0].std())


def _settings(recipe: TrainingConfig, folder: Path, gpu: bool) -> Any:
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
        max_length=None,  # rows are cut already
        packing=False,  # of TRL's own kind, which moves rows between steps
        dataset_kwargs={"skip_prepare_dataset": True},
        seed=recipe.seed,
        data_seed=recipe.seed,
        bf16=gpu,
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
    import torch

    gpu = _has_gpu()
    flash = (recipe.attention or "").startswith("flash")
    if not gpu and (flash or recipe.liger):
        key = f"attention: {recipe.attention}" if flash else "liger: true"
        raise InputError(f"training.{key} is for GPUs, and this job has none. Remove it.")
    options: dict[str, Any] = {}
    if recipe.attention:
        options["attn_implementation"] = recipe.attention
    if recipe.quantization:
        options["quantization_config"] = _quantization(recipe.quantization, gpu)
        if gpu:
            options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", 0))}
    dtype = torch.bfloat16 if gpu else torch.float32
    model = load_model(base, dtype, recipe.trust_remote_code, **options)
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False):
            # What repacks 4-bit weights for inference on some CPUs refuses sizes that others take.
            module.support_avx512bf16_for_cpu = False
    return model


def _adapted(model: Any, recipe: TrainingConfig) -> Any:
    """The model with an adapter that changes nothing yet."""
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
    """Settings of bitsandbytes. Raises InputError where it is not installed."""
    from importlib.util import find_spec

    import torch
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise InputError(
            f"training.quantization: {kind} needs the package bitsandbytes, which this environment "
            "has not. Install it (pip install bitsandbytes), or remove the key."
        )
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if gpu else torch.float32,
    )


def _in_full_precision(learned: Sequence[Any]) -> None:
    """Trains the adapter in 32 bits. TRL makes it 16 on quantized models: small steps get lost."""
    import torch

    for weights in learned:
        if weights.dtype != torch.float32:
            weights.data = weights.data.to(torch.float32)


def _spare_walks(model: Any, learned: Sequence[Any]) -> None:
    """Keeps transformers from visiting every module of the model several times a step.

    It says `train()` and `zero_grad()` at each; of a tiny model that is a tenth of the time.
    """
    walk = model.train

    def train(mode: bool = True) -> Any:
        return model if model.training == mode else walk(mode)

    def zero_grad() -> None:
        for weights in learned:
            weights.grad = None

    walk(True)  # its parts may be in another mode than it says itself
    model.train, model.zero_grad = train, zero_grad


def _packing_check(rows: Sequence[Row]) -> Any:
    from transformers import TrainerCallback

    class Check(TrainerCallback):  # type: ignore[misc]
        """Asks the model itself, as it is placed and wrapped, before the first step."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **found: Any) -> None:
            if len(rows) > 1 and not (seen := leak(found["model"], rows)) < LEAK:
                raise PackingLeaks(
                    f"training.packing: under this model's attention a row changes the one packed "
                    f"behind it (by {seen:.2g} of the logits' spread). Set packing: false, or an "
                    "attention that keeps rows apart (attention: flash_attention_2)."
                )

    return Check()


def _with_plain_loss(trainer: Any) -> Any:
    """The trainer with transformers' own cross-entropy over the same labels.

    TRL's chunked log-probabilities save GPU memory; on a CPU they take more time than the rest of
    the step (0.53 s instead of 0.25 s at 0.9 M parameters), for the same loss.
    """
    from transformers import Trainer

    return type("PlainLossTrainer", (trainer,), {"compute_loss": Trainer.compute_loss})


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
