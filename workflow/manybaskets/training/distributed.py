"""Runs a function in several connected processes on this machine, one per device.

The processes communicate with torch's collectives (NCCL on GPUs, gloo on CPUs). All of them end
when one fails, and when their parent process ends for any reason.
"""

import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

OUT_OF_MEMORY = 75  # exit status EX_TEMPFAIL: smaller micro-batches may succeed
PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 5.0


class RankOutOfMemory(RuntimeError):
    """Raised when one process was out of memory on its device; all processes have ended."""


def run_ranks(work: Callable[..., None], arguments: tuple[Any, ...], ranks: int, gpu: bool) -> None:
    """Runs `work(*arguments)` in `ranks` connected processes and waits for them.

    `work` is a module-level function with picklable arguments. Raises RankOutOfMemory if a process
    was out of memory, and RuntimeError if one failed; its traceback is on stderr.
    """
    context = multiprocessing.get_context("spawn")
    port = _free_port()
    processes = [
        context.Process(target=_enter, args=(work, arguments, rank, ranks, port, gpu), daemon=True)
        for rank in range(ranks)
    ]
    try:
        for process in processes:
            process.start()
        running = list(processes)
        while running:
            wait([process.sentinel for process in running])
            # read once: a code that appears between two reads would be lost
            codes = [(process, process.exitcode) for process in running]
            ended = [code for _, code in codes if code is not None]
            running = [process for process, code in codes if code is None]
            for code in ended:
                if code == OUT_OF_MEMORY:
                    raise RankOutOfMemory("one training process was out of memory on its device")
                if code != 0:
                    raise RuntimeError(
                        f"one of {ranks} training processes exited with status {code}; its "
                        "traceback is above."
                    )
    finally:
        _terminate(processes)


def rank() -> tuple[int, int]:
    """Returns the rank of this process and the number of processes; (0, 1) outside `run_ranks`."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _enter(
    work: Callable[..., None],
    arguments: tuple[Any, ...],
    rank: int,
    ranks: int,
    port: int,
    gpu: bool,
) -> None:
    """Runs `work` in a child process."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before prctl took effect
            os._exit(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    if not gpu:
        os.environ["ACCELERATE_USE_CPU"] = "true"
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    import torch

    try:
        work(*arguments)
    except torch.OutOfMemoryError:
        os._exit(OUT_OF_MEMORY)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # the other processes wait for this one, and a normal exit for them
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _terminate(processes: list[Any]) -> None:
    started = [process for process in processes if process.pid is not None]
    for process in started:
        process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in started:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
