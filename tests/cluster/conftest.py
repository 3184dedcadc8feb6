"""One real SLURM, and the micro study that runs in it under every fault."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tests.cluster import late, slurm
from tests.support.paths import ROOT
from tests.support.workflow import snakemake

MICRO = ("--configfile", str(ROOT / "tests/workflow/micro.yaml"))
PATIENCE = 240.0  # seconds, for anything that is waited for
Found = TypeVar("Found")


@dataclass
class Eventful:
    """The result of a study run through SLURM, and the observations made during the run."""

    directory: Path
    temporary: Path
    heads: list[Path] = field(default_factory=list)  # what each head process said
    overtime: slurm.Job | None = None
    cancelled: slurm.Job | None = None
    running: list[slurm.Job] = field(default_factory=list)  # when the first head was killed
    pending: list[slurm.Job] = field(default_factory=list)
    jobs: list[slurm.Job] = field(default_factory=list)  # all, after the end
    samples: list[dict[tuple[str, str], set[int]]] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.directory / "results" / "micro"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster, and the folder that its nodes share."""
    reason = slurm.why_not()
    if reason:
        pytest.skip(reason)
    shared = tmp_path_factory.mktemp("a cluster's home")
    with slurm.cluster(shared):
        yield shared


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the micro study without SLURM."""
    directory = tmp_path_factory.mktemp("local")
    done = snakemake(directory, *MICRO)
    assert done.returncode == 0, done.stdout[-6000:]
    return directory / "results" / "micro"


@pytest.fixture(scope="session")
def eventful(cluster: Path) -> Iterator[Eventful]:
    """The micro study through SLURM, on files that other hosts see late.

    A node is drained and later resumed, a job is cancelled, another hangs until its time is up, the
    head process is killed while jobs run and others wait, and a second one ends the study.
    """
    short = Path(tempfile.mkdtemp(prefix="mb-"))  # the engines' sockets need short paths
    seen = Eventful(cluster / "a cluster study", short)
    seen.directory.mkdir()
    with _watched(seen), _head(seen) as first:
        hanging, process = _await(first, lambda: _step("rule_pretrain_wildcards_finch"))
        os.kill(process, signal.SIGSTOP)
        slurm.ask("scontrol", "update", f"JobId={hanging.id}", "TimeLimit=1")
        seen.overtime = hanging
        generating, _ = _await(first, lambda: _step("rule_generate_wildcards_wren"))
        slurm.ask("scancel", str(generating.id))
        seen.cancelled = generating
        slurm.ask("scontrol", "update", "NodeName=node1", "State=DRAIN", "Reason=maintenance")
        _await(first, lambda: _job(hanging.what, "timeout"))
        _await(first, lambda: _job(hanging.what, "running"))
        seen.running, seen.pending = _await(first, _both)
        first.kill()
        first.wait()
    with _watched(seen), _head(seen) as second:
        said = seen.heads[1]
        _await(second, lambda: "waiting for" in said.read_text())
        slurm.ask("scontrol", "update", "NodeName=node1", "State=RESUME")
        second.wait(4 * PATIENCE)
        assert second.returncode == 0, said.read_text()[-6000:]
    seen.jobs = slurm.jobs()
    yield seen
    shutil.rmtree(short)


@contextlib.contextmanager
def _head(seen: Eventful) -> "Iterator[subprocess.Popen[bytes]]":
    """The process that submits and watches."""
    said = seen.directory / f"head-{len(seen.heads) + 1}.txt"
    seen.heads.append(said)
    with late.host(seen.directory.parent) as sight, said.open("wb") as out:
        process = subprocess.Popen(
            sight.command(
                *(sys.executable, str(ROOT / "tests/cluster/quick.py")),
                *("--snakefile", str(ROOT / "Snakefile"), *MICRO),
                *("--profile", str(ROOT / "workflow/profiles/slurm"), "--jobs", "4"),
                cwd=seen.directory,
            ),
            env=os.environ | {"TMPDIR": str(seen.temporary)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _watched(seen: Eventful) -> Iterator[None]:
    """Notes, twice a second, which jobs have which device of which node, while they are at work."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            sample: dict[tuple[str, str], set[int]] = {}
            for environment in map(slurm.environment, slurm.steps()):
                # Where SLURM keeps jobs to their devices, CUDA_VISIBLE_DEVICES starts at 0 in each.
                given = environment.get("SLURM_STEP_GPUS") or environment.get("SLURM_JOB_GPUS", "")
                for device in given.split(","):
                    if device:
                        where = (environment["SLURMD_NODENAME"], device)
                        sample.setdefault(where, set()).add(int(environment["SLURM_JOB_ID"]))
            seen.samples.append(sample)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _await(head: "subprocess.Popen[bytes]", find: Callable[[], Found | None]) -> Found:
    """Waits until `find` returns something, and fails once the head process ends."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = find()
        if found:
            return found
        assert head.poll() is None, "Snakemake ended before its time"
        assert time.monotonic() < deadline, slurm.ask("squeue", "--states=all")
        time.sleep(0.2)


def _job(what: str, state: str) -> slurm.Job | None:
    return next((job for job in slurm.jobs(state) if job.what.startswith(what)), None)


def _step(what: str) -> tuple[slurm.Job, int] | None:
    """A job that is at its step, and the step's process."""
    jobs = {job.id: job for job in slurm.jobs("running") if job.what.startswith(what)}
    for pid in slurm.steps():
        job = jobs.get(int(slurm.environment(pid).get("SLURM_JOB_ID", 0)))
        if job:
            return job, pid
    return None


def _both() -> tuple[list[slurm.Job], list[slurm.Job]] | None:
    """The running and the pending jobs, once there are both."""
    running, pending = slurm.jobs("running"), slurm.jobs("pending")
    return (running, pending) if running and pending else None
