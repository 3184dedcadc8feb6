"""The supervisor process of one vLLM server (an engine).

    python -m manybaskets.serving.supervisor <directory of the engine>

The supervisor keeps the file `alive` locked and, on GPUs, holds the lease of the server's devices.
It terminates the server after `keep_alive` seconds without a client, after all Snakemake runs that
use it have ended, on SIGTERM and, if the server is idle, on SIGUSR1 (another job needs its device).
It then deletes all files of the engine. Only `engine` starts a supervisor. The engine's directory
contains:

    order.json   command, environment and settings of the server; written by the job that starts it
    state.json   PIDs of supervisor and server, and the devices; written by the supervisor
    alive        locked by the supervisor
    used         locked (shared) by every job that uses the engine; modified at the last use
    runs/        one empty file per Snakemake run that uses it: <pid>-<start time>, or `none`
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
GRACE_SECONDS = 10.0  # between SIGTERM and SIGKILL
NO_RUN = "none"  # name of the file in runs/ for jobs outside of Snakemake


class TerminationRequested(BaseException):
    """Raised by the handler of SIGTERM."""


def is_alive(directory: Path) -> bool:
    """Returns whether the supervisor of the engine in `directory` is running."""
    try:
        with locked(directory / "alive", blocking=False, shared=True) as lock:
            return lock is None
    except FileNotFoundError:
        return False


def is_used(directory: Path) -> bool:
    """Returns whether a job is using the engine in `directory`."""
    with locked(directory / "used", blocking=False) as lock:
        return lock is None


def start_lock(directory: Path) -> Path:
    """Returns the lock file for starting, joining or ending the engine in `directory`."""
    return directory.parent / f"{directory.name}.start"


def send_request(
    server: Path, method: str, path: str, body: Any = None, timeout: float | None = None
) -> tuple[int, str]:
    """Sends one HTTP request over the unix socket `server`; returns status and text.

    Raises OSError if the server does not answer.
    """
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
        raise OSError(f"invalid HTTP response ({type(error).__name__})") from error
    finally:
        connection.close()


def is_healthy(server: Path) -> bool:
    """Returns whether the server at the socket `server` answers its health check."""
    try:
        return send_request(server, "GET", "/health", timeout=5.0)[0] == 200
    except OSError:
        return False


def kill_group(group: int) -> None:
    """Sends SIGKILL to a process group; does nothing if the group has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def supervise(directory: Path) -> None:
    """Runs the server of `order.json` in `directory` until it ends or should end."""
    order = read_json(directory / "order.json")
    requests = _SignalRequests()
    signal.signal(signal.SIGTERM, requests.terminate)
    signal.signal(signal.SIGUSR1, requests.end_if_idle)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    server: subprocess.Popen[bytes] | None = None
    with contextlib.ExitStack() as leases:
        try:
            devices: tuple[str, ...] = ()
            _write_state(directory, None, devices)
            if order["devices"]:
                devices = leases.enter_context(lease(order["devices"], preemptible=True))
            server = _start(directory, order, devices)
            _wait_for_end(directory, server, order["keep_alive"], devices, requests)
        except TerminationRequested:
            pass
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            retired = _retire(directory)
            if server is not None:
                _terminate(server)
            shutil.rmtree(retired, ignore_errors=True)


class _SignalRequests:
    """Signal handlers of the supervisor."""

    is_device_needed = False

    def terminate(self, _signum: int, _frame: FrameType | None) -> None:
        raise TerminationRequested

    def end_if_idle(self, _signum: int, _frame: FrameType | None) -> None:
        self.is_device_needed = True


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
            process_group=0,  # the server and its children can be killed at once
        )
    _write_state(directory, server.pid, devices)
    return server


def _write_state(directory: Path, server: int | None, devices: tuple[str, ...]) -> None:
    supervisor = {"pid": os.getpid(), "start": start_time(os.getpid())}
    running = None if server is None else {"pid": server, "start": start_time(server)}
    state = {"supervisor": supervisor, "server": running, "devices": list(devices)}
    write_json(directory / "state.json", state)


def _wait_for_end(
    directory: Path,
    server: "subprocess.Popen[bytes]",
    keep_alive: float,
    devices: tuple[str, ...],
    requests: _SignalRequests,
) -> None:
    """Waits until the server has ended or should end."""
    used = directory / "used"
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(POLL_SECONDS)
            return
        if _have_runs_ended(directory):
            return
        if is_used(directory):
            os.utime(used)
            mark_active(devices)
        elif requests.is_device_needed or time.time() - used.stat().st_mtime >= keep_alive:
            with (
                locked(start_lock(directory), blocking=False) as start,
                locked(used, blocking=False) as use,
            ):
                if start is not None and use is not None:
                    directory.rename(_retired(directory))
                    start_lock(directory).unlink(missing_ok=True)
                    return
        requests.is_device_needed = False


def _have_runs_ended(directory: Path) -> bool:
    runs = [path.name for path in (directory / "runs").iterdir()]
    if not runs or NO_RUN in runs:
        return False
    return not any(is_running(run) for run in runs)


def is_running(run: str) -> bool:
    """Returns whether the process of the run `<pid>-<start time>` is running."""
    pid, _, start = run.partition("-")
    return start_time(int(pid)) == int(start)


def _retire(directory: Path) -> Path:
    """Renames the engine's directory: no job can join it, and a new engine can start at once."""
    retired = _retired(directory)
    with contextlib.suppress(FileNotFoundError):
        directory.rename(retired)
        with locked(start_lock(directory), blocking=False) as start:
            if start is not None:
                start_lock(directory).unlink(missing_ok=True)
    return retired


def _retired(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}-{os.getpid()}")


def _terminate(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_SECONDS)
    kill_group(server.pid)
    server.wait()


def main() -> None:
    """Detaches this process from the job that started it, and supervises the server."""
    if os.fork() == 0:
        os.setsid()
        supervise(Path(sys.argv[1]))
    os._exit(0)


if __name__ == "__main__":
    main()
