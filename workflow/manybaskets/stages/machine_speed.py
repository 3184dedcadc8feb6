"""The speed of this machine's CPU, measured once in a few seconds and kept per host.

    python -m manybaskets.stages.machine_speed

Speeds are those of one thread. They are computed from CPU time, so that other processes on the
machine hardly change them.
"""

import functools
import json
import math
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from manybaskets.files import read_json, write_json
from manybaskets.machine import cpu_computes
from manybaskets.paths import cache_folder

TIMEOUT_SECONDS = 300.0
WIDE, NARROW = 1024, 128  # widths of the models whose speed is measured
VOCABULARY, LAYERS = 4096, 2
ROWS, LENGTH = 4, 64  # of a batch of the small model
MIB = 1024**2
# Seconds of `_interpret` on the machine with which the constants of the cost model were measured.
REFERENCE_INTERPRETER = 0.007
MASKS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")


class Speed(NamedTuple):
    """Speeds of one thread of a CPU."""

    narrow: float
    """FLOP/s of training a model of width `NARROW`, optimizer included."""
    wide: dict[str, float]
    """FLOP/s of products of matrices of width `WIDE`, by the type of their numbers."""
    memory: float
    """Bytes per second that are read from memory."""
    interpreter: float
    """Time of Python code, divided by that of the machine of the cost model's constants."""

    def rate(self, width: int, dtype: str = "float32") -> float:
        """Returns the FLOP/s of a model of a width, between the two that are measured."""
        wide = self.wide.get(dtype, self.wide["float32"])
        share = math.log(max(width, 1) / NARROW) / math.log(WIDE / NARROW)
        share = min(max(share, 0.0), 1.0)
        return math.exp(
            math.log(self.narrow) * (1 - share) + math.log(max(wide, self.narrow)) * share
        )


# Assumed where the machine cannot be measured: one core of a server of 2022.
ASSUMED = Speed(2e10, {"float32": 5e10}, 1e10, 1.0)


def kept_or_assumed() -> Speed:
    """Returns the kept speed of this host, or `ASSUMED`; measures nothing."""
    return _kept() or ASSUMED


@functools.cache
def of_this_machine() -> Speed:
    """Returns the kept speed of this host, or measures and keeps it.

    Returns `ASSUMED`, with a message on stderr, if the measurement fails.
    """
    kept = _kept()
    if kept is not None:
        return kept
    print("Measuring the speed of this machine, once …", file=sys.stderr, flush=True)
    try:
        subprocess.run(
            [sys.executable, "-m", __name__],
            timeout=TIMEOUT_SECONDS,
            check=True,
            capture_output=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"It cannot be measured ({error}); its speed is assumed.", file=sys.stderr)
        return ASSUMED
    return _kept() or ASSUMED


def _kept() -> Speed | None:
    """Returns the speed in the file of this host; None if it is missing or of another machine."""
    try:
        content = read_json(_file())
        return Speed(**content["speed"]) if content["machine"] == _identity() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file() -> Path:
    """Returns the file of this host; raises FileNotFoundError without a home directory."""
    cache = cache_folder()
    if cache is None:
        raise FileNotFoundError("a user without a home directory has no cache")
    return cache / f"speed-{socket.gethostname()}.json"


def _identity() -> dict[str, Any]:
    """Returns what the speed depends on."""
    return {
        "cpu": _cpu_name(),
        "torch": version("torch"),
        "masks": {name: os.environ[name] for name in MASKS if name in os.environ},
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def measure() -> Speed:
    """Returns the speed of one thread of this machine, in about ten seconds."""
    import torch

    torch.set_num_threads(1)
    types = ["float32", *(["bfloat16"] if cpu_computes("bfloat16") else [])]
    block = torch.ones(64 * MIB)
    return Speed(
        narrow=_training_flops() / _seconds(_training_step()),
        wide={name: 2 * WIDE**3 / _seconds(_product(getattr(torch, name))) for name in types},
        memory=4 * len(block) / _seconds(lambda: block.sum()),
        interpreter=_seconds(_interpret) / REFERENCE_INTERPRETER,
    )


def _seconds(work: Callable[[], Any], budget: float = 1.0) -> float:
    """Returns the median CPU time of a call, of those that `budget` seconds allow."""
    work()
    times: list[float] = []
    ends = time.monotonic() + budget
    while not times or time.monotonic() < ends:
        begun = time.thread_time()
        work()
        times.append(time.thread_time() - begun)
    return statistics.median(times)


def _product(dtype: Any) -> Callable[[], Any]:
    import torch

    matrix = torch.ones(WIDE, WIDE, dtype=dtype)
    return lambda: matrix @ matrix


def _training_step() -> Callable[[], None]:
    """Returns a function that trains a small model for one step."""
    import torch

    from manybaskets.models import architectures

    model = architectures.build(
        "llama", vocabulary=VOCABULARY, hidden=NARROW, layers=LAYERS, heads=4, context=LENGTH
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(0, VOCABULARY, (ROWS, LENGTH))

    def step() -> None:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _training_flops() -> float:
    """Returns six operations per weight and token."""
    return 6.0 * (VOCABULARY * NARROW + 12 * LAYERS * NARROW**2) * ROWS * LENGTH


def _interpret() -> None:
    """Runs Python code of the kind that an engine runs for each token."""
    rows = [{"id": str(number), "tokens": list(range(8))} for number in range(2000)]
    for _ in range(10):
        for row in rows:
            row["tokens"].append(len(row["id"]))  # type: ignore[attr-defined]
    json.loads(json.dumps(rows))


if __name__ == "__main__":
    write_json(_file(), {"machine": _identity(), "speed": measure()._asdict()})
