"""Engine settings, and the arguments and environment variables of vLLM that they map to.

The numbers in the comments were measured with vLLM 0.32 on 2 cores.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any

from manybaskets.devices import on_cpu
from manybaskets.files import read_json
from manybaskets.machine import cpu_computes
from manybaskets.paths import WORKFLOW, cache_folder
from manybaskets.processes import private_directory

GIB = 1024**3
ADAPTERS_IN_MEMORY = 16  # vLLM drops the least recently used adapter, and reloads it from its file


@dataclass(frozen=True)
class EngineSettings:
    """Settings of a server; jobs share a server if all their settings but `keep_alive` agree."""

    max_model_len: int = 512  # tokens of prompt and reply together
    max_loras: int = 1  # adapters in one batch; 0 disables adapters
    max_lora_rank: int = 16
    dtype: str = "auto"  # a type that the device computes fast
    quantization: str | None = None
    gpu_memory_utilization: float = 0.9  # share of each GPU's memory
    threads: int = 2  # CPU only
    kv_cache_gib: float = 1.0  # CPU only
    keep_alive: float = 60.0  # seconds without a client until the server exits
    trust_remote_code: bool = False  # run code in the model's repository
    load_format: str = "safetensors"  # other formats can run code; "dummy" has random weights
    devices: int = 1  # number of GPUs for tensor parallelism
    reasoning_parser: str | None = None  # vLLM's parser that separates reasoning from replies


@dataclass(frozen=True)
class Base:
    """A base model: a folder on this machine or a repository on the hub."""

    name: str  # the folder, or the hub id
    revision: str
    is_local: bool
    weights: list[Any]  # identifies the weights: file sizes and times, or the hub revision


def resolve_base(base: Path | str) -> Base:
    """Returns the base model in a local folder, or of a hub id ("name" or "name@revision").

    Raises ValueError for a path that is not a folder.
    """
    folder = Path(base).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        files = ((path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file())
        weights = [
            [str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns] for path, stat in files
        ]
        return Base(str(folder), "", True, [str(folder), weights])
    if isinstance(base, Path) or base.startswith((".", "/", "~")):
        raise ValueError(f"{base}: there is no such folder. Use a model folder or a hub id.")
    name, _, revision = base.partition("@")
    return Base(name, revision, False, [name, revision])


def arguments(base: Base, settings: EngineSettings) -> list[str]:
    """Returns the arguments of vLLM's server, without those for its socket."""
    flags = ["--disable-uvicorn-access-log", "--disable-log-stats"]
    named: dict[str, Any] = {
        "--model": base.name,
        "--served-model-name": "base",
        "--max-model-len": settings.max_model_len,
        "--dtype": weights_dtype(base, settings.dtype),
        "--load-format": settings.load_format,
        "--generation-config": "vllm",  # ignore the sampling defaults in the model folder
        "--uvicorn-log-level": "warning",
    }
    if base.revision:
        named["--revision"] = base.revision
    if settings.trust_remote_code:
        flags.append("--trust-remote-code")
    if settings.quantization is not None:
        named["--quantization"] = settings.quantization
    if settings.reasoning_parser is not None:
        named["--reasoning-parser"] = settings.reasoning_parser
    if settings.max_loras > 0:
        flags.append("--enable-lora")
        named["--max-loras"] = settings.max_loras
        named["--max-lora-rank"] = settings.max_lora_rank
        named["--max-cpu-loras"] = max(settings.max_loras, ADAPTERS_IN_MEMORY)
    if on_cpu():
        # On a CPU, vLLM 0.32 crashes if it splits the prompt of a request with a seed (it rewinds
        # the generator, which CPU generators do not support), so chunked prefill is disabled.
        flags += ["--enforce-eager", "--no-enable-chunked-prefill"]
        named["--max-num-batched-tokens"] = max(4096, settings.max_model_len)
        named["--max-num-seqs"] = 256
        named["--kv-cache-memory-bytes"] = int(settings.kv_cache_gib * GIB)
        named["--distributed-executor-backend"] = "uni"  # starts one process fewer
    else:
        named["--gpu-memory-utilization"] = settings.gpu_memory_utilization
        named["--tensor-parallel-size"] = settings.devices
    return [*flags, *(str(part) for pair in named.items() for part in pair)]


def weights_dtype(base: Base, dtype: str) -> str:
    """Returns the type of an engine's weights, for vLLM's `--dtype`.

    On a CPU, "auto" is float32 if the CPU would emulate the type that vLLM chooses: that of the
    model's config, or bfloat16 for models of float32.
    """
    if dtype != "auto" or not on_cpu():
        return dtype
    chosen = "float16" if _declared_dtype(base) == "float16" else "bfloat16"
    return "auto" if cpu_computes(chosen) else "float32"


def _declared_dtype(base: Base) -> str | None:
    """Returns the type in the config of a local model, None if it has none."""
    try:
        config = read_json(Path(base.name, "config.json"))
    except (OSError, ValueError):
        return None
    declared = config.get("dtype") or config.get("torch_dtype")
    return str(declared) if declared else None


def environment(base: Base, settings: EngineSettings) -> dict[str, str]:
    """Returns the environment variables that the server has in addition to the job's."""
    added = {
        "PYTHONPATH": python_path(),
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    if base.is_local:
        added["HF_HUB_OFFLINE"] = "1"
    if on_cpu():
        # Threads are not bound to cores: several engines share a machine, and vLLM would bind all
        # of them to the same cores.
        added["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        added["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
        added["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        added["OMP_NUM_THREADS"] = str(settings.threads)
        # Spinning threads block cores that other jobs need: on 2 busy cores, throughput is 3,800
        # tokens per second with spinning and 10,300 without.
        added["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
        # vLLM's log asks for tcmalloc and libiomp by LD_PRELOAD. For a model of 135 million weights
        # in float32 and one thread, tokens per second of processor time were 91 without them, 86
        # with tcmalloc and 89 with libiomp.
        added["CUDA_VISIBLE_DEVICES"] = ""
        added["GLOO_SOCKET_IFNAME"] = "lo"  # torch connects a group of one process over TCP
        # Otherwise parts of the sampler are compiled with a C++ compiler, if installed, at the
        # first request of each kind: 26 s per server.
        added["TORCH_COMPILE_DISABLE"] = "1"
    else:
        # A cache in the server's own temporary directory would be deleted with it; in a folder that
        # other users can write, it could be code of theirs.
        added["TORCHINDUCTOR_CACHE_DIR"] = os.environ.get(
            "TORCHINDUCTOR_CACHE_DIR", f"{private_directory()}/torchinductor"
        )
    return added | _bytecode()


_SECRET = re.compile(
    r"(^|_)(KEYS?|APIKEY|TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASS|PAT|CREDENTIALS?|AUTH|COOKIES?)(_|$)"
    r"|^MANYBASKETS_ENDPOINTS$",
    re.IGNORECASE,
)


def inherited(variables: Mapping[str, str], base: Base) -> dict[str, str]:
    """Returns the variables of a job that the server of a base model inherits.

    Variables named like keys and passwords, and those with the keys of endpoints, are left out. A
    list of allowed names would have to contain all of CUDA, NCCL, MKL and vLLM. The token of the
    hub stays for a base that vLLM downloads.
    """
    try:
        endpoints = json.loads(variables.get("MANYBASKETS_ENDPOINTS") or "{}").values()
        keys = {endpoint.get("api_key_env") for endpoint in endpoints}
    except (ValueError, AttributeError):
        keys = set()
    return {
        name: value
        for name, value in variables.items()
        if (name == "HF_TOKEN" and not base.is_local)
        or (name not in keys and not _SECRET.search(name))
    }


def _bytecode() -> dict[str, str]:
    """Returns variables for a bytecode cache if there is none for vLLM; saves 8 s per start."""
    vllm = find_spec("vllm")
    if vllm is None or vllm.origin is None or not sys.dont_write_bytecode:
        return {}
    if Path(cache_from_source(vllm.origin)).exists():
        return {}
    cache = cache_folder()
    if cache is None:
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{cache}/bytecode"}


def python_path() -> str:
    """Returns PYTHONPATH for child processes: this package's folder, then the user's folders."""
    own = str(WORKFLOW.resolve())
    return os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH")]))
