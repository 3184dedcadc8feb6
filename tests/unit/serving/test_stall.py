"""An engine with requests but without tokens is reported, with the likely reason."""

import time
from pathlib import Path

import pytest

from manybaskets.serving import stall


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watch(folder: Path, requests: int) -> tuple[stall.Watch, Clock]:
    clock = Clock()
    watch = stall.Watch(folder / stall.FILE, "float32", clock)
    watch.waiting = lambda: requests
    return watch, clock


def test_two_minutes_without_a_token_are_reported_until_one_comes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched, clock = watch(tmp_path, requests=96)
    clock.now = 119.0
    watched.check()
    assert stall.text_of(tmp_path) == ""
    clock.now = 121.0
    watched.check()
    watched.check()
    text = stall.text_of(tmp_path)
    assert text.startswith("The engine has 96 requests, but has produced no token for 121 seconds.")
    assert capsys.readouterr().err == f"{text}\n"
    watched.progress()
    watched.check()
    assert stall.text_of(tmp_path) == ""


def test_an_engine_without_requests_is_not_stalled(tmp_path: Path) -> None:
    watched, clock = watch(tmp_path, requests=0)
    clock.now = 10_000.0
    watched.check()
    assert stall.text_of(tmp_path) == ""


@pytest.mark.parametrize(
    ("dtype", "available", "load", "expected"),
    [
        ("bfloat16", 0.5, 0.0, "computes in bfloat16, which this CPU emulates"),
        ("float32", 0.01, 0.0, "MiB of memory left"),
        ("float32", 0.5, 1e4, "processes or threads compete for"),
        ("float32", 0.5, 0.0, "may be too large for this CPU"),
    ],
)
def test_the_likely_reason_is_that_of_this_machine(
    dtype: str, available: float, load: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stall, "on_cpu", lambda: True)
    monkeypatch.setattr(stall, "cpu_computes", lambda wanted: wanted == "float32")
    monkeypatch.setattr(stall, "_memory", lambda: (available * 2**34, 2.0**34))
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    assert expected in stall.likely_reason(dtype)


def test_a_gpu_is_not_blamed_for_the_load_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stall, "on_cpu", lambda: False)
    monkeypatch.setattr(stall, "_memory", lambda: (1.0, 1.0))
    monkeypatch.setattr("os.getloadavg", lambda: (1e4, 1e4, 1e4))
    assert "nvidia-smi" in stall.likely_reason("bfloat16")


def test_a_job_prints_the_message_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stall, "POLL_SECONDS", 0.01)
    with stall.reported(tmp_path):
        (tmp_path / stall.FILE).write_text("The engine has stalled.")
        time.sleep(0.2)
    assert capsys.readouterr().err == "The engine has stalled.\n"
