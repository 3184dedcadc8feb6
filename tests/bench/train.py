"""Measures the cost of training and of comparable trainers in one run: `make bench-train`.

    python -m tests.bench.train [--real]

On a CPU, with a target of the embedded study's size (`--real`: the model of `make test-real`), the
same rows and the same batches, in turns:

- `ours`: the training phase of the train step;
- `bare`: a PyTorch loop over the same model, adapter and batches, with the same optimizer;
- `trl`: TRL's SFTTrainer at its defaults, but for the batches and the schedule.

Tokens per second count every token but padding; by time on the clock and, because other
work on the machine falls on whoever runs at that moment, by time of the CPU. Then the whole step
as a job runs it, against its training phase. On a GPU, a model of the shape of Llama-3.1-8B: tokens
per second, peak memory and model FLOP utilisation, beside TRL's.
"""

import itertools
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import real_model
from tests.support.paths import ROOT

THREADS = 1  # of a job of the embedded study
ROUNDS = 3
ROWS, VOCABULARY, CONTEXT = 1000, 4096, 512
REAL_ROWS = 24
SETTINGS: dict[str, Any] = {
    "rank": 8, "alpha": 16.0, "dropout": 0.0, "modules": "all-linear", "learning_rate": 2e-3,
    "epochs": 2.0, "batch_size": 16, "gradient_accumulation": 1, "max_length": 256,
    "threads": THREADS,
}  # fmt: skip
LARGE = {
    "vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "max_position_embeddings": 8192, "rope_theta": 500_000.0, "tie_word_embeddings": False,
}  # fmt: skip
REAL = "MANYBASKETS_BENCH_REAL" in os.environ
if REAL:
    SETTINGS |= {"epochs": 1.0, "batch_size": 4, "max_length": 384, "learning_rate": 2e-4}
LARGE_ROWS, LARGE_TOKENS, LARGE_BATCH = 96, 1024, 8
PEAK_BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}


def main() -> None:
    """Runs every part in a process of its own and prints the table."""
    if sys.argv[1:] == ["--real"]:
        os.environ["MANYBASKETS_BENCH_REAL"] = "1"
    elif len(sys.argv) > 1:
        print("\n" + json.dumps(PARTS[sys.argv[1]](*sys.argv[2:])))
        return
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        _run("prepare", folder)
        found: dict[str, list[dict[str, Any]]] = {"ours": [], "bare": [], "trl": []}
        for turn in range(ROUNDS):
            for name in sorted(found, reverse=turn % 2 == 1):
                found[name].append(_run(name, folder))
        for clock in ("seconds", "cpu_seconds"):
            speed = {name: [f["tokens"] / f[clock] for f in found[name]] for name in found}
            print(f"tokens a {'second' if clock == 'seconds' else 'second of the CPU'}:")
            for name, values in speed.items():
                shown = ", ".join(f"{value:,.0f}" for value in values)
                print(f"  {name:5} {statistics.median(values):8,.0f}  ({shown})")
            for peer, goal in (("bare", 0.9), ("trl", 1.0)):
                ratio = [one / other for one, other in zip(speed["ours"], speed[peer], strict=True)]
                print(f"  ours / {peer}: {statistics.median(ratio):.2f} (goal {goal})")
        curves = {name: found[name][0]["losses"] for name in found}
        gap = max(abs(a - b) for a, b in zip(curves["ours"], curves["bare"], strict=True))
        print(f"greatest difference of the losses of ours and bare: {gap:.1e}")
        gap = max(abs(a - b) for a, b in zip(curves["ours"], curves["trl"], strict=True))
        print(f"greatest difference of the losses of ours and TRL (bfloat16): {gap:.1e}")
        _whole_step(base, Path(folder))
        gpu = _run("gpu")
        if not gpu:
            print("GPU, a model of the shape of Llama-3.1-8B: not measured (no GPU here)")
        for name, one in gpu.items():
            print(
                f"GPU {one['device']}, {name}: {one['speed']:,.0f} tokens/s, peak memory "
                f"{one['gib']:.1f} GiB, MFU {100 * one['mfu']:.0f} %"
            )


def _run(*part: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.train", *part],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        print(done.stderr[-4000:], file=sys.stderr)
        raise SystemExit(f"{' '.join(part)} failed")
    return json.loads(done.stdout.splitlines()[-1])


def _whole_step(base: Path, folder: Path) -> None:
    """The step as a job of a study starts it."""
    spec = {"training": {"adapter": "lora", **SETTINGS}, "seed": 1}
    spec["base"] = {"name": "base"}
    whole, phase = [], []
    for turn in range(3):
        began = time.perf_counter()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "manybaskets", "train", "--spec", json.dumps(spec)),
                *("--base", base, "--rows", folder / "rows.jsonl"),
                *("--output", folder / f"adapter{turn}"),
                *("--summary", folder / f"summary{turn}.json"),
            ],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        whole.append(time.perf_counter() - began)
        phase.append(float(re.findall(r"'train_runtime': '?([\d.]+)", done.stdout)[-1]))
    all_of_it, training = statistics.median(whole), statistics.median(phase)
    print(
        f"the whole step: {all_of_it:.1f} s, of which training {training:.1f} s "
        f"({training / all_of_it:.0%}); the rest is start-up"
    )


def prepare(folder: str) -> dict[str, Any]:
    """A target of the embedded study's size, untrained, and rows; or a real one."""
    import torch

    from manybaskets.data import docstrings
    from manybaskets.files import read_jsonl, write_jsonl
    from manybaskets.models import architectures

    if REAL:
        real_model.convert(Path(folder, "base"))
        problems = read_jsonl(ROOT / "tests/data/gsm8k/problems.jsonl")[:REAL_ROWS]
        rows = [{"prompt": row["question"], "response": row["answer"]} for row in problems]
        write_jsonl(Path(folder, "rows.jsonl"), rows)
        return {"rows": len(rows)}
    found = docstrings.without_duplicates(docstrings.documented_in("stdlib", (6, 60)))
    rows = [
        {"prompt": f"Document {row.module}.{row.name}.", "response": row.description}
        for row in found[:: len(found) // ROWS][:ROWS]
    ]
    write_jsonl(Path(folder, "rows.jsonl"), rows)
    texts = [row[part] for row in rows for part in ("prompt", "response")]
    tokenizer = architectures.train_tokenizer(texts, VOCABULARY)
    torch.manual_seed(0)
    model = architectures.build(
        "llama", vocabulary=VOCABULARY, hidden=128, layers=2, heads=4, context=CONTEXT
    )
    architectures.save(model, tokenizer, Path(folder, "base"))
    return {"rows": len(rows)}


def ours(folder: str) -> dict[str, Any]:
    """The training phase of the step."""
    import torch

    from manybaskets.training import trainer as trainers

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    recipe = trainers.TrainingConfig(**SETTINGS, seed=1)
    trainer = trainers.build(Path(folder, "base"), _rows(folder), recipe, Path(folder, "work"))
    began = _now()
    trainer.train()
    seconds = _since(began)
    return _found(trainer.state.log_history, seconds, folder)


def bare(folder: str) -> dict[str, Any]:
    """A loop of PyTorch over the same batches, with the same optimizer and schedule."""
    import torch
    from peft import LoraConfig, get_peft_model

    from manybaskets.models.loading import load_model

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    model = load_model(Path(folder, "base"), torch.float32)
    torch.manual_seed(1)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **_lora())).train()
    batches, epochs = _batches(folder), int(SETTINGS["epochs"])
    steps = len(batches(0)) * epochs
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=SETTINGS["learning_rate"], weight_decay=0.01, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    losses = []
    began = _now()
    for epoch in range(epochs):
        for batch in batches(epoch):
            loss = model(**batch, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    seconds = _since(began)
    logged = [{"loss": statistics.fmean(losses[i : i + 5])} for i in range(0, steps // 5 * 5, 5)]
    return _found(logged, seconds, folder)


def trl(folder: str) -> dict[str, Any]:
    """TRL's trainer at its defaults: only what is trained on, and how fast it learns, is ours."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from manybaskets.models.loading import load_model, load_tokenizer

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    epochs = int(SETTINGS["epochs"])
    batches = _batches(folder)

    class SameBatches(SFTTrainer):  # type: ignore[misc]
        def get_train_dataloader(self) -> Any:
            ordered = [batch for epoch in range(epochs) for batch in batches(epoch)]
            return torch.utils.data.DataLoader(ordered, batch_size=None)

    rows = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["response"]}],
        }
        for row in _rows(folder)
    ]
    torch.manual_seed(1)
    trainer = SameBatches(
        model=load_model(Path(folder, "base"), torch.float32),
        args=SFTConfig(
            output_dir=str(Path(folder, "trl")), num_train_epochs=1, seed=1, use_cpu=True,
            per_device_train_batch_size=SETTINGS["batch_size"],
            learning_rate=SETTINGS["learning_rate"], lr_scheduler_type="cosine",
            warmup_steps=0.03, weight_decay=0.01, logging_steps=5, save_strategy="no",
            report_to="none",
        ),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(task_type="CAUSAL_LM", **_lora()),
        processing_class=load_tokenizer(Path(folder, "base")),
    )  # fmt: skip
    began = _now()
    trainer.train()
    seconds = _since(began)
    return _found(trainer.state.log_history, seconds, folder)


def gpu() -> dict[str, Any]:
    """Both trainers on a model of the shape of Llama-3.1-8B, weights random; {} without GPU."""
    import torch

    if not torch.cuda.is_available():
        return {}
    return {"ours": _large(False), "TRL": _large(True)}


def _large(peer: bool) -> dict[str, Any]:
    import gc

    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    from manybaskets.models import architectures
    from manybaskets.models.loading import load_tokenizer
    from manybaskets.training import trainer as trainers

    words = [f"word{i}" for i in range(2000)]
    rows = [
        {
            "prompt": " ".join(words[(7 * i + k) % 2000] for k in range(60)),
            "response": " ".join(words[(11 * i + k) % 2000] for k in range(LARGE_TOKENS)),
        }
        for i in range(LARGE_ROWS)
    ]
    config = LlamaConfig(**LARGE, bos_token_id=None, eos_token_id=1, pad_token_id=0)

    def model(*_: Any) -> Any:
        torch.manual_seed(0)
        with torch.device("cuda"):
            return LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)

    settings = SETTINGS | {"max_length": LARGE_TOKENS, "batch_size": LARGE_BATCH, "epochs": 1.0}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        texts = [row["response"] for row in rows]
        architectures.train_tokenizer(texts, 8192).save_pretrained(base)
        config.save_pretrained(base)
        if peer:
            trainer = SFTTrainer(
                model=model(),
                args=SFTConfig(
                    output_dir=folder, num_train_epochs=1, max_length=LARGE_TOKENS,
                    per_device_train_batch_size=LARGE_BATCH, save_strategy="no", report_to="none",
                ),
                train_dataset=Dataset.from_list(
                    [
                        {
                            "prompt": [{"role": "user", "content": row["prompt"]}],
                            "completion": [{"role": "assistant", "content": row["response"]}],
                        }
                        for row in rows
                    ]
                ),
                peft_config=LoraConfig(task_type="CAUSAL_LM", **_lora()),
                processing_class=load_tokenizer(base),
            )  # fmt: skip
        else:
            trainers._model = model
            recipe = trainers.TrainingConfig(**settings, seed=1)
            trainer = trainers.build(base, rows, recipe, Path(folder, "work"))
        torch.cuda.reset_peak_memory_stats()
        times: list[float] = []
        trainer.add_callback(_timer(times))
        trainer.train()
        peak = torch.cuda.max_memory_allocated() / 1024**3
    per_step = statistics.median(b - a for a, b in itertools.pairwise(times[2:]))
    speed = LARGE_BATCH * LARGE_TOKENS / per_step
    device = torch.cuda.get_device_name()
    limit = next((flops for name, flops in PEAK_BF16.items() if name in device), math.nan)
    # forward 2 and backward 2 operations per weight and token: frozen weights have no gradient
    weights = sum(p.numel() for p in trainer.model.parameters()) - config.vocab_size * 4096
    del trainer
    gc.collect()
    torch.cuda.empty_cache()
    return {"device": device, "speed": speed, "gib": peak, "mfu": 4 * weights * speed / limit}


def _timer(times: list[float]) -> Any:
    import torch
    from transformers import TrainerCallback

    class Timer(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **found: Any) -> None:
            torch.cuda.synchronize()
            times.append(time.perf_counter())

    return Timer()


def _rows(folder: str) -> Any:
    from manybaskets.files import read_jsonl

    return read_jsonl(Path(folder, "rows.jsonl"))


def _lora() -> dict[str, Any]:
    return {"r": 8, "lora_alpha": 16.0, "lora_dropout": 0.0, "target_modules": "all-linear"}


def _batches(folder: str) -> Any:
    """The padded batches of an epoch, as the step makes them."""
    from manybaskets.models.loading import load_tokenizer
    from manybaskets.training.batching import StepBatches, padded
    from manybaskets.training.trainer import encode

    rows, _ = encode(load_tokenizer(Path(folder, "base")), _rows(folder), SETTINGS["max_length"])
    order = StepBatches([len(row.ids) for row in rows], SETTINGS["batch_size"], 1, 1)

    def of(epoch: int) -> list[dict[str, Any]]:
        order.set_epoch(epoch)
        return [padded([rows[i] for i in batch], 0) for batch in order]

    return of


def _rate(step: int, steps: int) -> float:
    """Cosine after 3 % of warm-up, as a share of the peak rate."""
    warmup = math.ceil(0.03 * steps)
    if step < warmup:
        return step / max(1, warmup)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> dict[str, float]:
    clock, cpu = _now()
    return {"seconds": clock - began[0], "cpu_seconds": cpu - began[1]}


def _found(history: list[dict[str, Any]], took: dict[str, float], folder: str) -> dict[str, Any]:
    tokens = sum(
        int(batch["attention_mask"].sum())
        for epoch in range(int(SETTINGS["epochs"]))
        for batch in _batches(folder)(epoch)
    )
    losses = [entry["loss"] for entry in history if "loss" in entry]
    return {"tokens": tokens, **took, "losses": losses}


PARTS = {f.__name__: f for f in (prepare, ours, bare, trl, gpu)}

if __name__ == "__main__":
    main()
