"""vLLM's OpenAI server as it ships, in processes that die with the one that started them.

    python -m manybaskets.server --model … --uds …

vLLM's engine process outlives a server that is killed. Here each process asks the kernel to be
killed with its parent; multiprocessing runs the top level of this file in every process that it
spawns, so it must import nothing heavy.

VLLM_WORKER_MULTIPROC_METHOD=fork, one of vLLM's own choices, has the engine process forked rather
than spawned, which saves importing everything twice (7 s). vLLM's CPU platform puts `spawn` back,
for the sake of binding threads to cores before they exist; with binding off that has no purpose.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent ends, however that ends (Linux only)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


die_with_parent()
os.register_at_fork(after_in_child=die_with_parent)


def fork_where_asked() -> None:
    """Makes VLLM_WORKER_MULTIPROC_METHOD=fork hold."""
    if os.environ.get("VLLM_WORKER_MULTIPROC_METHOD") == "fork":
        from vllm.utils import system_utils

        system_utils.get_mp_context = lambda: multiprocessing.get_context("fork")


if __name__ == "__main__":
    fork_where_asked()
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
