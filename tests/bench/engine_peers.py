"""One cell by each way that the benchmark of engines compares with a warm engine.

    python -m tests.bench.engine_peers WAY --batch N --base BASE --adapter ADAPTER --test FILE \\
        --output FILE
"""

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from manybaskets.devices import on_cpu
from manybaskets.files import read_jsonl, write_json, write_jsonl
from manybaskets.seeds import derived_seed
from manybaskets.serving.client import ChatRequest
from manybaskets.serving.vllm_args import EngineSettings, arguments, environment, resolve_base

THREADS = 1  # of an engine, as in the embedded study
RANK, NEW_TOKENS, CONTEXT = 8, 64, 512


def main() -> None:
    """Runs one way."""
    ways = {"shipped": shipped, "cold": cold, "generate": generate, "offline": offline}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=sorted(ways))
    for name in ("--base", "--adapter", "--test", "--output"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--batch", type=int, default=0)
    options = parser.parse_args()
    ways[options.way](options)


def settings(folder: Path) -> EngineSettings:
    """The embedded study's engine; on a GPU its defaults."""
    common: dict[str, Any] = {"max_model_len": CONTEXT, "max_loras": 4, "max_lora_rank": RANK}
    if on_cpu():
        return EngineSettings(**common, threads=THREADS, kv_cache_gib=0.5, keep_alive=90)
    return EngineSettings(**common, load_format="dummy", keep_alive=90)


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


def offline_llm(options: argparse.Namespace) -> Any:
    """vLLM's offline LLM with the arguments and the environment of the project's engines."""
    base, chosen = resolve_base(options.base), settings(options.base.parent)
    if options.way == "cold":
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
    """One cell with a vLLM of its own, without the project's settings for speed.

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


if __name__ == "__main__":
    main()
