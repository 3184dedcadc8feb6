"""vLLM's OpenAI server as it ships, in processes that die with the one that started them.

    python -m manybaskets.serving.vllm_server --model … --uds …

vLLM's engine process outlives a server that is killed. Here each process asks the kernel to be
killed with its parent; multiprocessing runs the top level of this file in every process that it
spawns, so it must import nothing heavy.

VLLM_WORKER_MULTIPROC_METHOD=fork, one of vLLM's own choices, has the engine process forked rather
than spawned, which saves importing everything twice (7 s). vLLM's CPU platform puts `spawn` back,
for the sake of binding threads to cores before they exist; with binding off that has no purpose.

vLLM 0.32 on CPUs cannot tell the log-probabilities of a prompt's tokens while it serves adapters:
it applies the output layer's adapter, which ours do not have, to more rows than it has indices
for, and the engine dies. Where that adapter is all zeros, it is left out here.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
from typing import Any

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


def tell_prompts_with_adapters() -> None:
    """Lets vLLM's CPU kernels pass over an output layer's adapter that is all zeros."""
    if os.environ.get("VLLM_WORKER_MULTIPROC_METHOD") != "fork":
        return  # not on a CPU, or in an engine process that this would not reach
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

    apply = PunicaWrapperCPU.add_lora_logits

    def add_lora_logits(self: Any, y: Any, x: Any, a: Any, b: Any, *rest: Any, **more: Any) -> None:
        rows = x.view(-1, x.shape[-1]).shape[0]
        if rows == self.sampler_indices.shape[0] or b.any():
            apply(self, y, x, a, b, *rest, **more)

    PunicaWrapperCPU.add_lora_logits = add_lora_logits  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    fork_where_asked()
    tell_prompts_with_adapters()
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
