"""SIGKILL at random moments: the study goes on, ends with the same bytes, repeats nothing.

The seed of the moments is printed; MANYBASKETS_FAULT_SEED and MANYBASKETS_KILLS set it and the
number of kills.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from manybaskets.files import read_json
from manybaskets.processes import private_directory, start_time
from manybaskets.serving.engine import live_engines
from tests.faults.conftest import MICRO, command, contents, snakemake

SEED = int(os.environ.get("MANYBASKETS_FAULT_SEED", "1"))
KILLS = int(os.environ.get("MANYBASKETS_KILLS", "50"))
ENDINGS = 20  # starts of a study after its last kill, at most
ARGUMENTS = ("--configfile", str(MICRO))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("undisturbed")
    done = snakemake(directory, *ARGUMENTS)
    assert done.returncode == 0, done.stdout[-3000:]
    return contents(directory)


class Study:
    """A study that is killed and continued."""

    def __init__(self, directory: Path, draw: random.Random) -> None:
        self.directory = directory
        self.draw = draw
        self.killed: Counter[str] = Counter()
        self.finished: dict[str, float] = {}
        self.run: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.directory / "terminal").open("ab") as terminal:
            self.run = subprocess.Popen(
                command(*ARGUMENTS), cwd=self.directory, stdout=terminal, stderr=terminal
            )

    def kill_something(self) -> None:
        assert self.run is not None
        what = self.draw.choice(["main", "job", "job", "engine"])
        candidates = {"main": [self.run.pid], "job": self.jobs(), "engine": self.engines()}[what]
        if not candidates or self.run.poll() is not None:
            return
        pid = self.draw.choice(candidates)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.killed[what] += 1
        if what == "main":
            self.run.wait()

    def jobs(self) -> list[int]:
        """Processes of this run's steps."""
        assert self.run is not None
        listed = subprocess.run(
            ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True
        )
        steps = [
            int(line.split()[0])
            for line in listed.stdout.splitlines()
            if " -m manybaskets " in line and line.split()[1].endswith("python")
        ]
        own = f"MANYBASKETS_RUN_PID={self.run.pid}\0".encode()
        return [pid for pid in steps if own in environment(pid)]

    def engines(self) -> list[int]:
        states = live_engines()
        pids = [pid for state in states for pid in (state.server_pid, state.supervisor_pid)]
        return [pid for pid in pids if pid is not None]

    def check_nothing_is_repeated(self) -> None:
        """A record, once written, is the job's record to the end."""
        for path in (self.directory / "results/micro/records").rglob("*.json"):
            finished = read_json(path)["finished"]
            name = str(path.relative_to(self.directory))
            assert self.finished.setdefault(name, finished) == finished, f"{name} was made again"

    def said(self) -> str:
        return (self.directory / "terminal").read_text(errors="replace")[-4000:]


def environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_a_study_killed_over_and_over_ends_with_the_same_bytes(
    undisturbed: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(SEED)
    study = Study(tmp_path, draw)
    rounds = starts = 0
    while study.killed.total() < KILLS or rounds == 0:
        study.finished.clear()
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        left = ENDINGS
        while True:  # until the study is done
            study.start()
            starts += 1
            while study.run is not None and study.run.poll() is None:
                if study.killed.total() < KILLS:
                    time.sleep(draw.uniform(1.0, 16.0))
                    study.kill_something()
                    study.check_nothing_is_repeated()
                else:
                    study.run.wait()
            assert study.run is not None
            study.check_nothing_is_repeated()
            if study.run.returncode == 0:
                break
            left -= study.killed.total() >= KILLS
            assert left > 0, f"the study does not end:\n{study.said()}"
        rounds += 1
        found = contents(tmp_path)
        assert sorted(found) == sorted(undisturbed)
        assert [name for name in found if found[name] != undisturbed[name]] == []
    with capsys.disabled():
        print(f"\nseed {SEED}: {dict(study.killed)} killed, {starts} starts, {rounds} studies done")


def test_nothing_is_left_of_the_killed(tmp_path: Path) -> None:
    """Runs after the kills: engines and their files are gone with the runs that wanted them."""
    deadline = time.monotonic() + 30
    while list(private_directory().glob("[!d]*")) and time.monotonic() < deadline:
        live_engines()  # clears what a supervisor could not that was killed itself
        time.sleep(0.5)
    assert [path.name for path in private_directory().iterdir()] == []
    assert start_time(os.getpid()) is not None
