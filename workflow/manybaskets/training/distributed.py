"""Several processes on this machine that compute together, one per device, and end together.

torch's collectives connect them: NCCL between GPUs, gloo between CPU processes. They end when one
of them fails, and when the process that started them ends, however it does.
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

OUT_OF_MEMORY = 75  # EX_TEMPFAIL: with smaller parts it may succeed
PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 5.0


class RankOutOfMemory(RuntimeError):
    """A process had too little memory on its device; all have ended."""


def together(work: Callable[..., None], arguments: tuple[Any, ...], ranks: int, gpu: bool) -> None:
    """Runs `work(*arguments)` in `ranks` processes that know of each other; waits for all.

    `work` is a function of a module, and the arguments can be pickled. Raises RankOutOfMemory, or
    RuntimeError where a process failed; what it said stands on standard error.
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
            for process in running:
                process.join(0)
            ended = [process.exitcode for process in running if process.exitcode is not None]
            running = [process for process in running if process.exitcode is None]
            for code in ended:
                if code == OUT_OF_MEMORY:
                    raise RankOutOfMemory("a process had too little memory on its device")
                if code != 0:
                    raise RuntimeError(
                        f"one of {ranks} processes that trained together ended with {code}; what "
                        "it said stands above."
                    )
    finally:
        _end(processes)


def rank() -> tuple[int, int]:
    """Which of the processes this is, and how many there are; (0, 1) for one alone."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _enter(
    work: Callable[..., None],
    arguments: tuple[Any, ...],
    rank: int,
    ranks: int,
    port: int,
    gpu: bool,
) -> None:
    """What a process does from its start to its end."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we asked
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
        os._exit(1)  # the others wait for this one; a tidy end would wait for them
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _end(processes: list[Any]) -> None:
    started = [process for process in processes if process.pid is not None]
    for process in started:
        process.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for process in started:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
