"""Steps in a copy of the server look to their caller like any other process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from manybaskets.cli import forkserver
from manybaskets.paths import WORKFLOW

SMALL = ("manybaskets.cli.main",)
CONTRAST = ("contrast", "--of", "mix", "--over", "seed", "--json")
ROWS = "mix,seed,metric,value\n" + "".join(
    f"{mix},{seed},bits,{seed + shift}\n"
    for mix, shift in (("human", 0), ("single", 1))
    for seed in range(8)
)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Processes of a test react to SIGINT, also when a shell started pytest in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def server(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = forkserver.start(tmp_path / "s", {"PYTHONPATH": str(WORKFLOW)}, SMALL)
    wait(lambda: (tmp_path / "s").exists())
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A server whose copies do nothing for ten minutes, whatever the request."""
    (tmp_path / "sleepy.py").write_text(
        "import time\nfrom manybaskets.cli import main as commandline\n"
        "def main():\n"
        "    try:\n        print('asleep', flush=True)\n        time.sleep(600)\n"
        "    except KeyboardInterrupt:\n        return 130\n"
        "commandline.main = main\n"
    )
    path = os.pathsep.join([str(WORKFLOW), str(tmp_path)])
    process = forkserver.start(tmp_path / "s", {"PYTHONPATH": path}, ("sleepy",))
    wait(lambda: (tmp_path / "s").exists())
    yield process
    process.kill()
    process.wait()


def asleep(tmp_path: Path) -> "subprocess.Popen[str]":
    """A step whose copy is at work."""
    step = asking(tmp_path, "anything")
    assert step.stdout is not None
    assert step.stdout.readline() == "asleep\n"
    return step


def wait(done: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def asking(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A process that has a command done by the server, whatever the command."""
    code = "import sys; from manybaskets.cli import forkserver; sys.exit(forkserver.ask() or 0)"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(WORKFLOW), forkserver.VARIABLE: str(tmp_path / "s")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def copies(server: "subprocess.Popen[bytes]") -> list[int]:
    found = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(pid) for pid in found.split()]


@pytest.mark.slow
def test_a_copy_has_the_arguments_folder_and_output_of_its_step(
    tmp_path: Path, server: "subprocess.Popen[bytes]"
) -> None:
    (tmp_path / "table.csv").write_text(ROWS)
    said, wrong = asking(tmp_path, *CONTRAST, "table.csv").communicate(timeout=60)
    alone = subprocess.run(
        [sys.executable, "-m", "manybaskets", *CONTRAST, "table.csv"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(WORKFLOW)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said == alone.stdout != ""
    assert wrong == alone.stderr == ""


def test_a_step_fails_as_its_copy_does(tmp_path: Path, server: "subprocess.Popen[bytes]") -> None:
    step = asking(tmp_path, *CONTRAST, "none.csv")
    said, wrong = step.communicate(timeout=60)
    assert step.returncode == 2
    assert "none.csv" in wrong
    assert said == ""


def test_the_copy_of_a_killed_step_ends_at_once(
    tmp_path: Path, sleepers: "subprocess.Popen[bytes]"
) -> None:
    step = asleep(tmp_path)
    step.kill()
    wait(lambda: not copies(sleepers), 5)
    step.communicate()
    assert step.returncode == -signal.SIGKILL
    assert copies(sleepers) == []


def test_the_copy_of_an_interrupted_step_ends_as_if_it_were_interrupted_itself(
    tmp_path: Path, sleepers: "subprocess.Popen[bytes]"
) -> None:
    step = asleep(tmp_path)
    step.send_signal(signal.SIGINT)
    _, wrong = step.communicate(timeout=60)
    assert step.returncode == 130
    assert "Traceback" not in wrong
    wait(lambda: not copies(sleepers), 5)


def test_the_step_of_a_killed_copy_says_so_and_fails(
    tmp_path: Path, sleepers: "subprocess.Popen[bytes]"
) -> None:
    step = asleep(tmp_path)
    os.kill(copies(sleepers)[0], signal.SIGKILL)
    _, wrong = step.communicate(timeout=60)
    assert step.returncode == forkserver.KILLED
    assert "was killed" in wrong


@pytest.mark.slow
def test_many_steps_at_once_are_told_apart(
    tmp_path: Path, server: "subprocess.Popen[bytes]"
) -> None:
    steps = [asking(tmp_path, *CONTRAST, f"none-{n}.csv") for n in range(12)]
    for n, step in enumerate(steps):
        assert f"none-{n}.csv" in step.communicate(timeout=120)[1]


def test_without_a_server_a_step_does_the_work_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (tmp_path / "nothing", "none", ""):
        monkeypatch.setenv(forkserver.VARIABLE, str(place))
        assert forkserver.ask() is None


@pytest.mark.slow
def test_the_server_ends_with_whoever_started_it_and_clears_up(tmp_path: Path) -> None:
    code = (
        "import pathlib, time; from manybaskets.cli import forkserver;"
        f"p = pathlib.Path({str(tmp_path / 's')!r});"
        f"print(forkserver.start(p, {{}}, {SMALL!r}).pid);"
        "[time.sleep(0.05) for _ in range(600) if not p.exists()]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(WORKFLOW)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    wait(lambda: not Path(f"/proc/{done.stdout.strip()}").exists())
    assert list(tmp_path.iterdir()) == []


def test_sockets_of_killed_servers_are_cleared_away(
    tmp_path: Path, server: "subprocess.Popen[bytes]"
) -> None:
    (tmp_path / "s").rename(tmp_path / "forks-1")
    server.kill()
    server.wait()
    process = forkserver.start(tmp_path / "s", {"PYTHONPATH": str(WORKFLOW)}, SMALL)
    wait(lambda: (tmp_path / "s").exists())
    assert not (tmp_path / "forks-1").exists()
    process.kill()
    process.wait()
