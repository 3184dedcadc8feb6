"""Engines of tests: their own folder of sockets and locks, and jobs that use an engine.

    python -m tests.support.engines ask BASE
    python -m tests.support.engines hold BASE

`ask` sends one prompt to the engine of the model folder BASE, and `hold` keeps the engine in use,
as a job of a study whose folder is `study`, until the process is ended.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manybaskets.dag.locks import at_work
from manybaskets.paths import WORKFLOW
from manybaskets.serving.client import ChatRequest
from manybaskets.serving.engine import EngineState, engine, live_engines
from manybaskets.serving.vllm_args import EngineSettings

SETTINGS = EngineSettings(dtype="float32", kv_cache_gib=0.25, max_model_len=512, threads=1)


@contextmanager
def own_runtime_directory(name: str) -> Iterator[Path]:
    """Engines started within have their sockets and locks in a folder with a short path."""
    runtime = Path("/tmp") / f"mb-{name}-{os.getpid()}"
    runtime.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(WORKFLOW), str(WORKFLOW.parent)]))
        patch.delenv("MANYBASKETS_RUN_PID", raising=False)
        yield runtime
    shutil.rmtree(runtime)


def only_engine() -> EngineState:
    """The state of the one engine that is running."""
    (state,) = live_engines()
    return state


def _ask(base: Path) -> None:
    with engine(base, SETTINGS) as client:
        (reply,) = client.chat([ChatRequest("1", ({"role": "user", "content": "A or B"},), seed=1)])
        time.sleep(1.0)
    if not reply.text:
        raise SystemExit(1)


def _hold(base: Path) -> None:
    with at_work(Path("study")), engine(base, SETTINGS):
        Path("holding").write_text(str(os.getpid()))
        time.sleep(1000)


if __name__ == "__main__":
    {"ask": _ask, "hold": _hold}[sys.argv[1]](Path(sys.argv[2]))
