"""How a base model is served: the settings, and what they mean as vLLM's arguments and environment.

Knows nothing about processes; `engine` starts and joins the servers. The comments name what was
measured with vLLM 0.32 on 2 cores.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any

from manybaskets.devices import on_cpu
from manybaskets.paths import WORKFLOW

GIB = 1024**3
ADAPTERS_IN_MEMORY = 16  # vLLM drops the least recently used one beyond; it reloads from the file


@dataclass(frozen=True)
class EngineSettings:
    """How a base model is served; two jobs share a server when all but `keep_alive` agree."""

    max_model_len: int = 512  # tokens of prompt and reply together
    max_loras: int = 1  # adapters served in one batch; 0: none can be loaded
    max_lora_rank: int = 16
    dtype: str = "auto"
    quantization: str | None = None
    gpu_memory_utilization: float = 0.9  # share of each GPU's memory
    threads: int = 2  # CPU engines: threads of the model
    kv_cache_gib: float = 1.0  # CPU engines
    keep_alive: float = 60.0  # seconds without a client until the server ends
    trust_remote_code: bool = False  # run code that comes with the model
    load_format: str = "safetensors"  # other weights can run code; "dummy": random, for benchmarks
    devices: int = 1  # GPUs: how many the model is split over


@dataclass(frozen=True)
class Base:
    """A model to be served, found on this machine or named on the hub."""

    name: str  # the folder, or the hub id
    revision: str
    is_local: bool
    weights: list[Any]  # tells a model from one that took its place


def described(base: Path | str) -> Base:
    """Tells a local folder from a hub id, "name" or "name@revision". Raises ValueError for none."""
    folder = Path(base).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        files = ((path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file())
        weights = [
            [str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns] for path, stat in files
        ]
        return Base(str(folder), "", True, [str(folder), weights])
    if isinstance(base, Path) or base.startswith((".", "/", "~")):
        raise ValueError(f"{base}: there is no such folder with a model.")
    name, _, revision = base.partition("@")
    return Base(name, revision, False, [name, revision])


def arguments(base: Base, settings: EngineSettings) -> list[str]:
    """The server's, all but its socket."""
    flags = ["--disable-uvicorn-access-log", "--disable-log-stats"]
    named: dict[str, Any] = {
        "--model": base.name,
        "--served-model-name": "base",
        "--max-model-len": settings.max_model_len,
        "--dtype": settings.dtype,
        "--load-format": settings.load_format,
        "--generation-config": "vllm",  # requests say how to sample; the model's own wishes do not
        "--uvicorn-log-level": "warning",
    }
    if base.revision:
        named["--revision"] = base.revision
    if settings.trust_remote_code:
        flags.append("--trust-remote-code")
    if settings.quantization is not None:
        named["--quantization"] = settings.quantization
    if settings.max_loras > 0:
        flags.append("--enable-lora")
        named["--max-loras"] = settings.max_loras
        named["--max-lora-rank"] = settings.max_lora_rank
        named["--max-cpu-loras"] = max(settings.max_loras, ADAPTERS_IN_MEMORY)
    if on_cpu():
        # vLLM 0.32 on a CPU dies of a request with a seed whose prompt it splits (it sets back the
        # generator, and CPU generators cannot be); so prompts are not split there.
        flags += ["--enforce-eager", "--no-enable-chunked-prefill"]
        named["--max-num-batched-tokens"] = max(4096, settings.max_model_len)
        named["--max-num-seqs"] = 256
        named["--kv-cache-memory-bytes"] = int(settings.kv_cache_gib * GIB)
        named["--distributed-executor-backend"] = "uni"  # one process less to start
    else:
        named["--gpu-memory-utilization"] = settings.gpu_memory_utilization
        named["--tensor-parallel-size"] = settings.devices
    return [*flags, *(str(part) for pair in named.items() for part in pair)]


def environment(base: Base, settings: EngineSettings) -> dict[str, str]:
    """What the server's environment has beside the user's own."""
    added = {
        "PYTHONPATH": python_path(),
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    if base.is_local:
        added["HF_HUB_OFFLINE"] = "1"
    if on_cpu():
        # One process computes, with threads of its own that no core is bound to: several engines
        # share a machine, and vLLM would bind each of them to the same cores.
        added["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        added["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
        added["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        added["OMP_NUM_THREADS"] = str(settings.threads)
        # Threads that spin while they wait take the cores that other jobs need: on 2 busy cores
        # 3,800 tokens a second, and 10,300 without spinning.
        added["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
        added["CUDA_VISIBLE_DEVICES"] = ""
        added["GLOO_SOCKET_IFNAME"] = "lo"  # torch's group of one process meets itself over TCP
        # Without it, parts of the sampler are compiled by a C++ compiler, if there is one, at the
        # first request of each kind: 26 s per server.
        added["TORCH_COMPILE_DISABLE"] = "1"
    else:
        # the server's own temporary directory would lose what was compiled
        added["TORCHINDUCTOR_CACHE_DIR"] = os.environ.get(
            "TORCHINDUCTOR_CACHE_DIR", f"{tempfile.gettempdir()}/torchinductor-{os.getuid()}"
        )
    return added | _bytecode()


def _bytecode() -> dict[str, str]:
    """A place for bytecode where Python may not put it beside vLLM: it saves 8 s of each start."""
    vllm = find_spec("vllm")
    if vllm is None or vllm.origin is None or not sys.dont_write_bytecode:
        return {}
    if Path(cache_from_source(vllm.origin)).exists():
        return {}
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": f"{cache}/manybaskets/bytecode",
    }


def python_path() -> str:
    """The package's own folder first, then where the user has Python look."""
    own = str(WORKFLOW.resolve())
    return os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH")]))
