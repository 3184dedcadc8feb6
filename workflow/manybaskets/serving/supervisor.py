"""The process that owns one vLLM server, and ends it.

    python -m manybaskets.serving.supervisor <directory of the engine>

It holds the lock `alive` as long as it lives and, on GPUs, the lease of the server's devices. It
ends the server when nobody has used it for `keep_alive` seconds, when every Snakemake run that
wanted it is gone, when it is told to (SIGTERM), and when it is idle and another job wants its
device (SIGUSR1). Then no process, socket, file or lock of the engine is left. Only `engine` starts
it. Files in the engine's directory:

    order.json   what to start: written by the job that wanted the engine
    state.json   who runs: written here
    alive        locked by the supervisor
    used         locked, shared, by every job that uses the engine; its time is the last use
    runs/        one empty file per Snakemake run that wanted it: <pid>-<start time>, or `none`
    s, log       socket and output of the server
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from manybaskets.devices import lease, mark_active
from manybaskets.files import read_json, write_json
from manybaskets.processes import locked, start_time

POLL_SECONDS = 0.25
GRACE_SECONDS = 10.0  # from the polite end of a server to SIGKILL
NO_RUN = "none"  # a file in runs/: somebody outside of Snakemake uses the engine


class AskedToLeave(BaseException):
    """Somebody told this process to end."""


def is_alive(directory: Path) -> bool:
    """Whether the supervisor of the engine in `directory` lives."""
    try:
        with locked(directory / "alive", blocking=False, shared=True) as lock:
            return lock is None
    except FileNotFoundError:
        return False


def is_used(directory: Path) -> bool:
    """Whether a job is using the engine in `directory` at this moment."""
    with locked(directory / "used", blocking=False) as lock:
        return lock is None


def start_lock(directory: Path) -> Path:
    """The file that is locked by whoever starts, joins or ends the engine in `directory`."""
    return directory.parent / f"{directory.name}.start"


def ask(
    server: Path, method: str, path: str, body: Any = None, timeout: float | None = None
) -> tuple[int, str]:
    """One HTTP request over the unix socket `server`: status and text. Raises OSError."""
    connection = http.client.HTTPConnection("engine", timeout=timeout)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(timeout)
    try:
        connection.sock.connect(str(server))
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP from the server ({type(error).__name__})") from error
    finally:
        connection.close()


def answers(server: Path) -> bool:
    """Whether the server behind the socket is up and well."""
    try:
        return ask(server, "GET", "/health", timeout=5.0)[0] == 200
    except OSError:
        return False


def kill_group(group: int) -> None:
    """SIGKILL to a process group; nothing when it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def supervise(directory: Path) -> None:
    """Runs the server that `order.json` in `directory` asks for, until its end."""
    order = read_json(directory / "order.json")
    wishes = _Wishes()
    signal.signal(signal.SIGTERM, wishes.end)
    signal.signal(signal.SIGUSR1, wishes.leave)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    server: subprocess.Popen[bytes] | None = None
    with contextlib.ExitStack() as held:
        try:
            devices: tuple[str, ...] = ()
            _write_state(directory, None, devices)
            if order["devices"]:
                devices = held.enter_context(lease(order["devices"], preemptible=True))
            server = _start(directory, order, devices)
            _watch(directory, server, order["keep_alive"], devices, wishes)
        except AskedToLeave:
            pass
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            gone = _out_of_the_way(directory)
            if server is not None:
                _end(server)
            shutil.rmtree(gone, ignore_errors=True)


class _Wishes:
    """What signals asked for."""

    leave_if_idle = False

    def end(self, _signum: int, _frame: FrameType | None) -> None:
        raise AskedToLeave

    def leave(self, _signum: int, _frame: FrameType | None) -> None:
        self.leave_if_idle = True


def _start(
    directory: Path, order: dict[str, Any], devices: tuple[str, ...]
) -> "subprocess.Popen[bytes]":
    with (directory / "log").open("ab") as log:
        server = subprocess.Popen(
            order["command"],
            env=os.environ | order["environment"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            process_group=0,  # the server and all it starts can be killed at once
        )
    _write_state(directory, server.pid, devices)
    return server


def _write_state(directory: Path, server: int | None, devices: tuple[str, ...]) -> None:
    supervisor = {"pid": os.getpid(), "start": start_time(os.getpid())}
    running = None if server is None else {"pid": server, "start": start_time(server)}
    state = {"supervisor": supervisor, "server": running, "devices": list(devices)}
    write_json(directory / "state.json", state)


def _watch(
    directory: Path,
    server: "subprocess.Popen[bytes]",
    keep_alive: float,
    devices: tuple[str, ...],
    wishes: _Wishes,
) -> None:
    """Returns when the server should end, or has ended."""
    used = directory / "used"
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(POLL_SECONDS)
            return
        if _runs_are_gone(directory):
            return
        if is_used(directory):
            os.utime(used)
            mark_active(devices)
        elif wishes.leave_if_idle or time.time() - used.stat().st_mtime >= keep_alive:
            with (
                locked(start_lock(directory), blocking=False) as starting,
                locked(used, blocking=False) as using,
            ):
                if starting is not None and using is not None:
                    directory.rename(_gone(directory))
                    start_lock(directory).unlink(missing_ok=True)
                    return
        wishes.leave_if_idle = False


def _runs_are_gone(directory: Path) -> bool:
    runs = [path.name for path in (directory / "runs").iterdir()]
    if not runs or NO_RUN in runs:
        return False
    return not any(is_running(run) for run in runs)


def is_running(run: str) -> bool:
    """Whether the run `<pid>-<start time>` is the process of that number still."""
    pid, _, start = run.partition("-")
    return start_time(int(pid)) == int(start)


def _out_of_the_way(directory: Path) -> Path:
    """Renames the engine's directory, so that nobody joins it and a new one may start at once."""
    gone = _gone(directory)
    with contextlib.suppress(FileNotFoundError):
        directory.rename(gone)
        with locked(start_lock(directory), blocking=False) as starting:
            if starting is not None:
                start_lock(directory).unlink(missing_ok=True)
    return gone


def _gone(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}-{os.getpid()}")


def _end(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_SECONDS)
    kill_group(server.pid)
    server.wait()


def main() -> None:
    """Detaches itself from the job that started it, then supervises."""
    if os.fork() == 0:
        os.setsid()
        supervise(Path(sys.argv[1]))
    os._exit(0)


if __name__ == "__main__":
    main()
