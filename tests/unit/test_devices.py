"""Leases are exclusive, all-or-nothing and fair, and end with their holder."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from manybaskets import devices
from manybaskets.devices import lease, leased, visible
from manybaskets.files import InputError
from manybaskets.paths import WORKFLOW
from manybaskets.processes import locked, private_directory, start_time

HOLD = """
import sys, time
from manybaskets.devices import lease
with lease(int(sys.argv[1]), preemptible=sys.argv[2] == "leaves") as got:
    print(*got, flush=True)
    time.sleep(float(sys.argv[3]))
"""

MANY = """
import os, random, time
from concurrent.futures import ProcessPoolExecutor
from manybaskets.devices import lease

def job(number):
    with lease(1 + number % 2) as got:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(got)
        began = time.monotonic()
        time.sleep(random.Random(number).uniform(0.0, 0.02))
        return [(device, began, time.monotonic()) for device in got]

if __name__ == "__main__":
    with ProcessPoolExecutor(24) as pool:
        for spans in pool.map(job, range(200)):
            for span in spans:
                print(*span)
"""


@pytest.fixture(autouse=True)
def four_devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Simulates four devices, in a private directory of the test."""
    runtime = Path("/tmp") / f"mb-devices-{os.getpid()}"
    runtime.mkdir(exist_ok=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("MANYBASKETS_DEVICES", "0,1,2,3")
    monkeypatch.setenv("PYTHONPATH", str(WORKFLOW))
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS"):
        monkeypatch.delenv(name, raising=False)
    yield
    left = [path.name for path in private_directory().iterdir() if path.name != "devices.queue"]
    for path in private_directory().iterdir():
        path.unlink()
    private_directory().rmdir()
    runtime.rmdir()
    assert left == []


def holder(n: int, leaves: str, seconds: float) -> "subprocess.Popen[str]":
    job = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(n), leaves, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert job.stdout is not None
    job.stdout.readline()  # it holds them now
    return job


def test_lease_shows_its_devices_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "before")
    with lease(2) as got:
        assert len(got) == 2
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(got)
        assert visible() == got == leased()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "before"
    assert len(visible()) == 4
    assert leased() == ()


def test_within_a_lease_there_is_nothing_but_the_leased() -> None:
    with lease(1) as got:
        assert got == ("0",)
        with pytest.raises(ValueError, match="2 devices were requested, but 1"):
            lease(2).__enter__()


def test_more_than_there_are_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"5 devices .* but 4 are on this machine: 0, 1, 2, 3"):
        lease(5).__enter__()
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(ValueError, match="granted to this job"):
        lease(5).__enter__()


@pytest.mark.slow
def test_two_hundred_jobs_never_overlap_and_all_finish(tmp_path: Path) -> None:
    script = tmp_path / "many.py"
    script.write_text(MANY)
    told = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120
    )
    spans = sorted(
        (device, float(began), float(ended))
        for device, began, ended in (line.split() for line in told.stdout.splitlines())
    )
    assert len(spans) == 300
    for (device, _, ended), (next_device, next_began, _) in pairwise(spans):
        assert device != next_device or ended <= next_began
    assert {device for device, _, _ in spans} == {"0", "1", "2", "3"}


def test_death_of_a_holder_frees_its_devices() -> None:
    job = holder(4, "stays", 1000)
    job.kill()
    job.wait()
    with lease(4) as got:
        assert got == ("0", "1", "2", "3")


def test_only_holders_that_may_be_asked_are_asked_to_leave() -> None:
    stays = holder(2, "stays", 1000)
    leaves = holder(2, "leaves", 1000)
    with lease(1):
        assert leaves.wait(10) == -signal.SIGUSR1  # it did not handle the request
        assert stays.poll() is None
    stays.kill()
    stays.wait()
    with lease(4):
        pass


def test_longest_idle_holder_is_asked_first() -> None:
    first = holder(2, "leaves", 1000)
    time.sleep(0.05)
    second = holder(2, "leaves", 1000)
    devices.mark_active(["0", "1"])  # the first is at work again
    with lease(1):
        assert second.wait(10) == -signal.SIGUSR1
        assert first.poll() is None
    first.kill()
    first.wait()
    with lease(4):
        pass


def test_what_slurm_granted_is_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MANYBASKETS_DEVICES")
    monkeypatch.setattr(devices, "_is_cpu_build", lambda: False)
    monkeypatch.setattr(devices, "_gpus", lambda: (("0", "GPU-a"), ("1", "GPU-b")))
    assert visible() == ("0", "1")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert visible() == ("cpu",)
    monkeypatch.setenv("SLURM_JOB_GPUS", "1")
    assert visible() == ("1",)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert visible() == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible() == ("cpu",)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,-1,0")
    assert visible() == ("1",)


def test_cpu_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MANYBASKETS_DEVICES")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with lease(1) as one, lease(1) as other:
        assert one == other == ("cpu",)
    with pytest.raises(ValueError, match="but 1 are on this machine: cpu"):
        lease(2).__enter__()


def test_lock_outlives_the_removal_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path) as first:
        assert first is not None
        with locked(path, blocking=False) as second:
            assert second is None
        path.unlink()
        with locked(path, blocking=False) as third:
            assert third is not None


def test_long_directories_are_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("long" * 20)
    deep.mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(deep))
        patch.setattr(tempfile, "gettempdir", lambda: str(deep))
        assert private_directory() == Path(f"/tmp/manybaskets-{os.getuid()}")


def test_directory_that_others_may_enter_is_refused() -> None:
    private_directory().chmod(0o750)
    with pytest.raises(PermissionError, match="chmod 700"):
        private_directory()
    (Path(os.environ["XDG_RUNTIME_DIR"]) / "manybaskets").chmod(0o700)


@pytest.mark.parametrize("kind", ["link", "file", "dangling"])
def test_private_directory_that_is_no_directory_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "manybaskets"
    if kind == "file":
        place.touch(mode=0o600)
    else:
        place.symlink_to(tmp_path if kind == "link" else "missing")
    with monkeypatch.context() as patch, pytest.raises(InputError, match="Remove it"):
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        patch.setattr("manybaskets.processes.MAX_DIRECTORY_BYTES", 500)
        private_directory()


def test_start_time_tells_the_living_from_the_dead() -> None:
    job = subprocess.Popen(["sleep", "100"])
    assert start_time(job.pid) is not None
    job.kill()
    while start_time(job.pid) is not None:  # a zombie counts as dead
        time.sleep(0.01)
    job.wait()
    assert start_time(job.pid) is None
