"""The speed of a machine is measured once, and kept for its host."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from manybaskets.stages import machine_speed
from manybaskets.stages.machine_speed import ASSUMED, Speed

FAST = Speed(5e10, {"float32": 1e11}, 2e10, 1.0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    machine_speed.of_this_machine.cache_clear()
    return tmp_path


@pytest.mark.slow
def test_the_first_call_measures_and_later_ones_read(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speed = machine_speed.of_this_machine()
    assert "once" in capsys.readouterr().err
    assert min(speed.narrow, speed.memory, *speed.wide.values()) > 1e8
    assert speed.interpreter > 0
    machine_speed.of_this_machine.cache_clear()
    monkeypatch.setattr(subprocess, "run", None)
    assert machine_speed.of_this_machine() == speed
    assert capsys.readouterr().err == ""


def test_the_speed_of_another_machine_is_measured_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: Any, **__: Any) -> None:
        machine_speed.write_json(
            machine_speed._file(), {"machine": machine_speed._identity(), "speed": FAST._asdict()}
        )

    monkeypatch.setattr(subprocess, "run", measured)
    assert machine_speed.of_this_machine() == FAST
    file = machine_speed._file()
    content = json.loads(file.read_text())
    content["machine"]["cpu"] = "another processor"
    content["speed"]["narrow"] = 1.0
    file.write_text(json.dumps(content))
    machine_speed.of_this_machine.cache_clear()
    assert machine_speed.of_this_machine() == FAST


@pytest.mark.parametrize("content", ["", "[]", '{"machine": {}, "speed": {}}'])
def test_a_machine_that_cannot_be_measured_has_an_assumed_speed(
    content: str,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("python", 300)

    monkeypatch.setattr(subprocess, "run", fail)
    machine_speed._file().parent.mkdir(parents=True)
    machine_speed._file().write_text(content)
    assert machine_speed.of_this_machine() == ASSUMED
    assert "is assumed" in capsys.readouterr().err


def test_rates_lie_between_those_of_narrow_and_of_wide_models() -> None:
    rates = [FAST.rate(width) for width in (64, 128, 360, 1024, 8192)]
    assert rates == sorted(rates)
    assert rates[0] == rates[1] == pytest.approx(5e10)
    assert rates[3] == rates[4] == pytest.approx(1e11)
    assert FAST.rate(1024, "bfloat16") == FAST.rate(1024)  # not measured where it is emulated
