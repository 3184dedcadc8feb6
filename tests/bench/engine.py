"""Measures the time that warm engines save on the responses of 12 cells of one base model.

    python -m tests.bench.engine [--quick] [--repeats N] [--gpu | --real]

Every way answers the same 200 prompts with up to 64 new tokens by each of 12 LoRA adapters, twelve
jobs of the same Snakemake with the same two cores, everything included from Snakemake's start to
its end:

    warm      the project's own `sample_responses` step: one engine, started by the first job
    shipped   one vLLM per job as it ships: its offline LLM in the job's process, which starts
              faster than a server, with LoRA on and the context set
    cold      the same with the arguments and environment of the project's engines
    generate  `transformers.generate` with the adapter, at the best of three batch sizes, which are
              tried on one cell before

Ways take turns, so that other work on the machine slows all of them alike. A second measurement
compares tokens per second of the warm server, through the project's client, with those of the
offline LLM on the same requests.

--gpu uses a model of the shape of Llama-3.1-8B with random weights, --real the model of
`make test-real`.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from manybaskets.devices import on_cpu
from manybaskets.files import canonical_json, read_json, read_jsonl, write_json, write_jsonl
from manybaskets.models import architectures
from manybaskets.serving.engine import engine, stop_engines
from tests.bench import engine_peers as peers
from tests.bench import real_model
from tests.bench.engine_peers import CONTEXT, NEW_TOKENS, RANK, THREADS, chat_requests, settings
from tests.support.paths import ROOT

PYTHONPATH = os.pathsep.join([str(ROOT / "workflow"), str(ROOT)])
TINY = {"hidden": 128, "layers": 2, "heads": 4}
LARGE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 4096,
    "rope_theta": 500000.0,
    "torch_dtype": "bfloat16",
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
SNAKEFILE = """
import os, shlex
cells = range(config["cells"])
way = config["way"]
shell.prefix(f"export MANYBASKETS_RUN_PID={os.getpid()} OMP_WAIT_POLICY=PASSIVE; ")
rule all:
    input: [f"{way}/{cell}.jsonl" for cell in cells]
rule respond:
    output: "{way}/{cell}.jsonl"
    params: command=lambda wildcards: config["command"].replace("CELL", wildcards.cell)
    threads: 1
    shell:
        "{params.command} --adapter adapters/{wildcards.cell} --output {output}"
        " > {output}.log 2>&1"
"""


def main() -> None:
    """Runs the ways and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 cells × 20 prompts, once")
    parser.add_argument("--repeats", type=int, default=3)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--gpu", action="store_true")
    shape.add_argument("--real", action="store_true")
    options = parser.parse_args()
    if options.gpu == on_cpu():
        sys.exit("--gpu needs a GPU and the GPU environment; without --gpu there must be neither.")
    if options.quick:
        options.repeats = 1
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench(Path(folder), 3 if options.quick else 12, 20 if options.quick else 200, options)


def bench(folder: Path, cells: int, prompts: int, options: argparse.Namespace) -> None:
    """Every way in turn, `repeats` times."""
    prepare(folder, cells, prompts, options)
    sizes = sorted({8, 32, prompts})
    tried = {size: one_cell(folder, size) for size in sizes}
    best = min(tried, key=lambda size: tried[size])
    shown = ", ".join(f"{size}: {seconds:.0f} s" for size, seconds in tried.items())
    print(f"transformers.generate, one cell, by batch size: {shown}", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in ("warm", "shipped", "cold", "generate")}
    rates: dict[str, list[float]] = {"server": [], "offline": []}
    for turn in range(options.repeats):
        for way in seconds:
            seconds[way].append(through_snakemake(folder, way, turn, cells, best))
            print(f"turn {turn + 1}, {way}: {seconds[way][-1]:.1f} s", flush=True)
    server_rates, offline_rates = throughput(folder, options.repeats)
    rates["server"], rates["offline"] = server_rates, offline_rates
    report(folder, cells, prompts, seconds, rates, best)


def prepare(folder: Path, cells: int, prompts: int, options: argparse.Namespace) -> None:
    """A base model, random adapters, and prompts."""
    import torch

    texts = [
        path.read_text(errors="replace") for path in Path(os.__file__).parent.glob("[a-j]*.py")
    ]
    tokenizer = architectures.train_tokenizer(texts, 4096)
    torch.manual_seed(0)
    base = folder / "base"
    if options.gpu:
        write_json(base / "config.json", LARGE)
        tokenizer.save_pretrained(base)
        wide, layers, kv, inner = 4096, 32, 1024, 14336
    elif options.real:
        real_model.convert(base)
        known = read_json(base / "config.json")
        wide, layers = known["hidden_size"], known["num_hidden_layers"]
        kv, inner = known["num_key_value_heads"] * known["head_dim"], known["intermediate_size"]
    else:
        model = architectures.build("llama", vocabulary=4096, context=CONTEXT, **TINY)
        architectures.save(model, tokenizer, base)
        found = model.config
        wide, layers, kv, inner = 128, 2, 128, found.intermediate_size
    for cell in range(cells):
        write_adapter(folder / "adapters" / str(cell), wide, layers, kv, inner, cell)
    words = ["which", "values", "does", "this", "function", "return", "for", "empty", "lists"]
    draw = random.Random(0)
    write_jsonl(
        folder / "test.jsonl",
        (
            {"id": str(n), "prompt": " ".join(draw.choices(words, k=draw.randint(10, 40)))}
            for n in range(prompts)
        ),
    )
    write_jsonl(folder / "one.jsonl", read_jsonl(folder / "test.jsonl")[:1])
    (folder / "Snakefile").write_text(SNAKEFILE)


def write_adapter(folder: Path, wide: int, layers: int, kv: int, inner: int, seed: int) -> None:
    """A random LoRA adapter on all linear layers of a Llama, as PEFT writes it."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    shapes = {
        **dict.fromkeys(("self_attn.q_proj", "self_attn.o_proj"), (wide, wide)),
        **dict.fromkeys(("self_attn.k_proj", "self_attn.v_proj"), (wide, kv)),
        **dict.fromkeys(("mlp.gate_proj", "mlp.up_proj"), (wide, inner)),
        "mlp.down_proj": (inner, wide),
    }
    tensors = {}
    for layer in range(layers):
        for name, (read, written) in shapes.items():
            place = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{place}.lora_A.weight"] = torch.randn(RANK, read) * 0.02
            tensors[f"{place}.lora_B.weight"] = torch.randn(written, RANK) * 0.02
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    write_json(
        folder / "adapter_config.json",
        {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": RANK,
            "lora_alpha": 16,
            "target_modules": sorted(name.split(".")[1] for name in shapes),
            "bias": "none",
        },
    )


def through_snakemake(folder: Path, way: str, turn: int, cells: int, batch: int) -> float:
    """Seconds that all cells take by one way."""
    stop_engines()
    if way == "warm":
        spec = {
            "generation": {"temperature": 1.0, "top_p": 1.0, "max_tokens": NEW_TOKENS},
            "seed": 1,
            "engine": {
                "max_model_len": CONTEXT,
                "max_lora_rank": RANK,
                "dtype": "auto",
                "quantization": None,
                "threads": THREADS,
                "trust_remote_code": False,
                "devices": 1,
            },
            "prompts": 0,
            "samples": 1,
            "base": {"name": "base"},
        }
        command = f"python -m manybaskets sample_responses --spec '{canonical_json(spec)}'"
        command += f" --base base --test test.jsonl --samples {way}-{turn}-CELL-samples.jsonl"
    else:
        command = f"python -m {peers.__name__} {way} --batch {batch} --base base --test test.jsonl"
    chosen = settings(folder)
    env = os.environ | {
        "PYTHONPATH": PYTHONPATH,
        "MANYBASKETS_ENGINE": canonical_json(
            {
                "max_loras": chosen.max_loras,
                "kv_cache_gib": chosen.kv_cache_gib,
                "keep_alive": chosen.keep_alive,
                "load_format": chosen.load_format,
            }
        ),
    }
    write_json(folder / "config.json", {"cells": cells, "way": f"{way}-{turn}", "command": command})
    started = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", "Snakefile", "--cores", "2"),
            *("--configfile", "config.json", "--scheduler", "greedy", "--quiet", "all"),
        ],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        logs = sorted(folder.glob(f"{way}-{turn}/*.log"))
        sys.exit(f"{way} failed:\n{done.stderr[-2000:]}\n{logs[0].read_text()[-3000:]}")
    stop_engines()
    return seconds


def one_cell(folder: Path, batch: int) -> float:
    """Seconds of one cell by transformers.generate at one batch size, process included."""
    started = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", peers.__name__, "generate", "--batch", str(batch)),
            *("--base", "base", "--adapter", "adapters/0", "--test", "test.jsonl"),
            *("--output", f"batch-{batch}.jsonl"),
        ],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": PYTHONPATH, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - started


def throughput(folder: Path, repeats: int) -> tuple[list[float], list[float]]:
    """Tokens a second of the warm server and of the offline LLM, on the same requests."""
    requests = chat_requests(folder / "test.jsonl")
    server = []
    with engine(folder / "base", settings(folder), folder / "adapters/0") as client:
        client.chat(requests)  # what the first use costs, neither pays in the figures
        for _ in range(repeats):
            started = time.perf_counter()
            replies = client.chat(requests)
            spent = time.perf_counter() - started
            server.append(sum(reply.completion_tokens or 0 for reply in replies) / spent)
    stop_engines()
    subprocess.run(
        [
            *(sys.executable, "-m", peers.__name__, "offline", "--batch", str(repeats)),
            *("--base", "base", "--adapter", "adapters/0", "--test", "test.jsonl"),
            *("--output", "offline.json"),
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": PYTHONPATH},
        check=True,
        capture_output=True,
    )
    return server, json.loads((folder / "offline.json").read_text())


# ---- the results ---------------------------------------------------------------------------------


def report(
    folder: Path,
    cells: int,
    prompts: int,
    seconds: dict[str, list[float]],
    rates: dict[str, list[float]],
    batch: int,
) -> None:
    """Prints the tables."""
    medians = {way: statistics.median(found) for way, found in seconds.items()}
    speed = {name: statistics.median(found) for name, found in rates.items()}
    versions = " ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "peft")
    )
    print(f"\n{cells} adapters × {prompts} prompts × {NEW_TOKENS} new tokens, {processor()}")
    print(f"{versions}; medians of {len(seconds['warm'])}\n")
    named = {
        "warm": "warm engine",
        "shipped": "one vLLM start per cell, as it ships",
        "cold": "the same, started as our engines are",
        "generate": f"transformers.generate, batch {batch}",
    }
    goals = {"shipped": 5.0, "generate": 10.0}
    print(f"{'through Snakemake':<40}{'seconds':>9}{'against warm':>14}  goal")
    for way, name in named.items():
        ratio = medians[way] / medians["warm"]
        goal = f"{goals[way]:.0f} ×: {_said(ratio >= goals[way])}" if way in goals else ""
        print(f"{name:<40}{medians[way]:>9.1f}{ratio:>12.1f} ×  {goal}")
    share = speed["server"] / speed["offline"]
    print(f"\n{'one adapter, warmed up':<36}{'tokens/s':>9}")
    print(f"{'server, through the client':<36}{speed['server']:>9,.0f}")
    print(f"{'offline LLM':<36}{speed['offline']:>9,.0f}")
    print(f"server / offline: {share:.2f}  goal 0.9: {_said(share >= 0.9)}")


def _said(reached: bool) -> str:
    return "reached" if reached else "missed"


def processor() -> str:
    """The machine in words."""
    if not on_cpu():
        import torch

        return torch.cuda.get_device_name()
    found = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{os.cpu_count()} × {found[0] if found else platform.processor()}"


if __name__ == "__main__":
    main()
