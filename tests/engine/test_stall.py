"""A real engine that stops computing is reported to its job and to `engines`."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from manybaskets.cli.main import main
from manybaskets.processes import private_directory
from manybaskets.serving import stall
from manybaskets.serving.client import ChatRequest
from manybaskets.serving.engine import EngineSettings, EngineState, engine, stop_engines
from tests.support.engines import only_engine, own_runtime_directory
from tests.support.processes import wait_until

SETTINGS = EngineSettings(dtype="float32", kv_cache_gib=0.25)


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MANYBASKETS_STALL_SECONDS", "2")
    monkeypatch.setattr(stall, "POLL_SECONDS", 0.2)
    with own_runtime_directory("stall"):
        yield private_directory()
        stop_engines()


def test_a_job_learns_that_its_engine_produces_no_tokens(
    base: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ChatRequest("1", ({"role": "user", "content": "which"},), seed=1, max_tokens=8)
    with engine(base, SETTINGS) as client:
        assert client.chat([request])
        engine_process = child_of(only_engine())
        os.kill(engine_process, signal.SIGSTOP)
        job = threading.Thread(target=client.chat, args=[[request]])
        job.start()
        wait_until(lambda: bool(only_engine().stalled), 60)
        assert "has 1 requests, but has produced no token for" in only_engine().stalled
        monkeypatch.setattr("sys.argv", ["manybaskets", "engines"])
        printed = ["", ""]
        assert main() == 0
        wait_until(lambda: "produced no token" in collect(capfd, printed)[1], 10)
        assert "produced no token" in printed[0]
        os.kill(engine_process, signal.SIGCONT)
        job.join()
        wait_until(lambda: not only_engine().stalled, 60)


def child_of(state: EngineState) -> int:
    """The process in which vLLM's engine computes."""
    children = Path(f"/proc/{state.server_pid}/task/{state.server_pid}/children").read_text()
    return int(children.split()[-1])


def collect(capfd: pytest.CaptureFixture[str], printed: list[str]) -> list[str]:
    """Adds what was printed to stdout and stderr since the last call."""
    new = capfd.readouterr()
    printed[0] += new.out
    printed[1] += new.err
    return printed
