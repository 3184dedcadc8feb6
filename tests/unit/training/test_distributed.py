"""Connected processes: they communicate, and all of them end together."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manybaskets.processes import start_time
from manybaskets.training import distributed as distributed_module
from tests.support.paths import ROOT


def add_up(folder: Path) -> None:
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    rank, count = distributed_module.rank()
    total = torch.tensor(float(rank + 1))
    distributed.all_reduce(total)
    (folder / f"{rank} of {count}").write_text(str(total.item()))


def one_fails(folder: Path, memory: bool) -> None:
    """Fails in the first process while the second waits."""
    import torch

    if distributed_module.rank()[0] == 0:
        raise torch.OutOfMemoryError("too little") if memory else ValueError("the reason")
    time.sleep(600)


def stay(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(600)


@pytest.mark.slow
def test_processes_know_of_each_other_and_add_up(tmp_path: Path) -> None:
    distributed_module.run_ranks(add_up, (tmp_path,), 2, gpu=False)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "0 of 2": "3.0", "1 of 2": "3.0",
    }  # fmt: skip
    assert distributed_module.rank() == (0, 1)


@pytest.mark.slow
def test_a_failure_ends_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="one of 2 training processes"):
        distributed_module.run_ranks(one_fails, (tmp_path, False), 2, gpu=False)
    assert "ValueError: the reason" in capfd.readouterr().err


@pytest.mark.slow
def test_too_little_memory_on_one_device_is_a_distinct_error(tmp_path: Path) -> None:
    with pytest.raises(distributed_module.RankOutOfMemory):
        distributed_module.run_ranks(one_fails, (tmp_path, True), 2, gpu=False)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom manybaskets.training import distributed\n"
        "from tests.unit.training import test_distributed\n"
        "if __name__ == '__main__':\n"
        f"    path = Path({str(tmp_path)!r})\n"
        "    distributed.run_ranks(test_distributed.stay, (path,), 2, gpu=False)\n"
    )
    script = tmp_path / "start.py"
    script.write_text(code)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "workflow")])
    started = subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": paths})
    until = time.monotonic() + 120
    while len(ids := [int(p.name) for p in tmp_path.iterdir() if p.name.isdigit()]) < 2:
        assert time.monotonic() < until and started.poll() is None
        time.sleep(0.1)
    started.kill()
    started.wait()
    while any(start_time(process) is not None for process in ids):
        assert time.monotonic() < until, "a process outlived its parent"
        time.sleep(0.1)


@pytest.mark.slow
def test_an_exit_code_that_appears_late_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may end between two reads of its exit code; each code is read once a round."""
    from multiprocessing.process import BaseProcess

    read = BaseProcess.exitcode.fget
    reads: dict[int, int] = {}

    def late(process: BaseProcess) -> int | None:
        reads[id(process)] = reads.get(id(process), 0) + 1
        return read(process) if reads[id(process)] > 1 else None

    monkeypatch.setattr(BaseProcess, "exitcode", property(late))
    with pytest.raises(RuntimeError, match="one of 2 training processes"):
        distributed_module.run_ranks(one_fails, (tmp_path, False), 2, gpu=False)
