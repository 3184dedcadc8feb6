"""vLLM's OpenAI server, with processes that are killed when their parent process ends.

    python -m manybaskets.serving.vllm_server --model … --uds …

vLLM's engine process outlives a killed server. In this module, each process requests SIGKILL from
the kernel at the end of its parent. multiprocessing runs the top level of this file in every
process that it spawns, so it must not import large packages.

With VLLM_WORKER_MULTIPROC_METHOD=fork, an option of vLLM, the engine process is forked, not
spawned, and does not import everything again (7 s). vLLM's CPU platform overrides this with
`spawn`, to bind threads to cores before they start; with binding disabled, that is unnecessary.

vLLM 0.32 on CPUs crashes when it returns log-probabilities of prompt tokens while adapters are
loaded: it applies the adapter of the output layer to more rows than it has indices for. Our
adapters do not include the output layer, so this module skips that adapter if it is all zeros.

The server also reports when it has requests but produces no tokens (`stall`).
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from manybaskets.serving import stall

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Requests that the kernel kills this process when its parent ends (Linux only)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


die_with_parent()
os.register_at_fork(after_in_child=die_with_parent)


def allow_fork() -> None:
    """Makes vLLM respect VLLM_WORKER_MULTIPROC_METHOD=fork."""
    if os.environ.get("VLLM_WORKER_MULTIPROC_METHOD") == "fork":
        from vllm.utils import system_utils

        system_utils.get_mp_context = lambda: multiprocessing.get_context("fork")


def skip_zero_output_adapters() -> None:
    """Makes vLLM's CPU kernels skip an output layer's adapter that is all zeros."""
    if os.environ.get("VLLM_WORKER_MULTIPROC_METHOD") != "fork":
        return  # not on a CPU, or a spawned engine process, which does not inherit the change
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

    apply = PunicaWrapperCPU.add_lora_logits

    def add_lora_logits(self: Any, y: Any, x: Any, a: Any, b: Any, *rest: Any, **more: Any) -> None:
        rows = x.view(-1, x.shape[-1]).shape[0]
        if rows == self.sampler_indices.shape[0] or b.any():
            apply(self, y, x, a, b, *rest, **more)

    PunicaWrapperCPU.add_lora_logits = add_lora_logits  # type: ignore[method-assign,assignment]


def watch_for_stalls() -> None:
    """Watches the tokens that come from the engine, if the engine's directory is known."""
    path = os.environ.get(stall.VARIABLE)
    if not path:
        return
    from vllm.v1.engine.output_processor import OutputProcessor

    watch = stall.Watch(Path(path), sys.argv[sys.argv.index("--dtype") + 1])
    add, process = OutputProcessor.add_request, OutputProcessor.process_outputs

    def add_request(self: Any, *arguments: Any, **named: Any) -> Any:
        watch.waiting = self.get_num_unfinished_requests
        if not watch.waiting():
            watch.progress()
        return add(self, *arguments, **named)

    def process_outputs(self: Any, outputs: Any, *arguments: Any, **named: Any) -> Any:
        if outputs:
            watch.progress()
        return process(self, outputs, *arguments, **named)

    OutputProcessor.add_request = add_request  # type: ignore[method-assign]
    OutputProcessor.process_outputs = process_outputs  # type: ignore[method-assign,assignment]
    watch.start()


if __name__ == "__main__":
    allow_fork()
    skip_zero_output_adapters()
    watch_for_stalls()
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
