"""A process that imports the libraries of all steps once a run, and forks for each step.

    python -m manybaskets.cli.forkserver <socket> <PID to end with> <module> …

Importing PyTorch, transformers and PEFT takes six seconds of CPU time, longer than many steps of a
small study. A Snakemake run starts one server. A step connects to it, and a fork of the server does
the work with the step's arguments, environment, folder and open files. The step waits for the fork
and exits with its status. Without a server, or before it is ready, the step does the work itself.

It is not used with GPUs: libraries may open a device on import, and a fork cannot use it then.
"""

import atexit
import errno
import gc
import importlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

VARIABLE = "MANYBASKETS_FORKSERVER"  # path of the socket; "none": every step starts by itself
PRELOADED = (
    *("torch", "transformers.models.auto.modeling_auto", "peft", "trl.trainer.sft_trainer"),
    *("sentence_transformers", "scipy.stats", "aiohttp", "manybaskets.cli.main"),
    *("manybaskets.dag.graph", "manybaskets.dag.records", "manybaskets.dag.locks"),
)
POLL_SECONDS = 0.5
INTERRUPT = b"i"
KILLED = 137  # a shell's exit status for a killed process
_is_reported = threading.Event()  # the step has the exit status of its command


def place() -> Path:
    """Returns the socket of the server that this process starts."""
    from manybaskets.processes import private_directory

    return private_directory() / f"forks-{os.getpid()}"


def start(
    path: Path, environment: dict[str, str], modules: tuple[str, ...] = PRELOADED
) -> "subprocess.Popen[bytes]":
    """Starts a server that listens at `path` and ends with this process.

    `environment` is that of the steps: libraries read some of it on import.
    """
    for old in path.parent.glob("forks-*"):  # left by killed servers
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            if probe.connect_ex(str(old)) == errno.ECONNREFUSED:
                old.unlink()
    return subprocess.Popen(
        [sys.executable, "-m", "manybaskets.cli.forkserver", str(path), str(os.getpid()), *modules],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C goes to the steps, which interrupt their forks
    )


def ask() -> int | None:
    """Runs this process's command in a fork of the server; returns its exit status.

    Returns None when no server listens. The fork ends when this process does.
    """
    path = os.environ.get(VARIABLE, "")
    with socket.socket(socket.AF_UNIX) as connection:
        request = {"arguments": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ)}
        message = json.dumps(request).encode("utf-8", "surrogateescape")
        try:
            connection.connect(path)
            socket.send_fds(connection, [struct.pack("!I", len(message))], [0, 1, 2])
            connection.sendall(message)  # a fork that gets only a part of it does nothing
        except OSError:
            return None
        try:
            answer = connection.recv(1)
        except KeyboardInterrupt:
            connection.send(INTERRUPT)
            answer = connection.recv(1)
    if not answer:
        print("The process of this step was killed.", file=sys.stderr)
        return KILLED
    return answer[0]


def serve(path: Path, parent: int, modules: list[str]) -> socket.socket:
    """Forks for every step that connects; returns in the forks, with the connection to the step.

    Exits when `parent`, which started this process, has ended.
    """
    for name in modules:
        with suppress(ImportError):  # the step that needs it will fail with it
            importlib.import_module(name)
    # A fork would look through millions of the libraries' objects for garbage.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(128)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel removes forks that ended
        listening.settimeout(POLL_SECONDS)
        while os.getppid() == parent:
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            with connection:
                if os.fork() == 0:
                    return connection.dup()
    path.unlink(missing_ok=True)
    sys.exit(0)


def become(connection: socket.socket) -> None:
    """Adopts the arguments, environment, folder and open files of the step."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    (length,) = struct.unpack("!I", size)
    message = bytearray()
    while len(message) < length:
        part = connection.recv(length - len(message))
        if not part:  # the step has ended already
            os._exit(1)
        message += part
    request = json.loads(message.decode("utf-8", "surrogateescape"))
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = request["arguments"]
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()


def _end_with(connection: socket.socket) -> None:
    """Interrupts this process when the step is interrupted, and kills it when the step has ended.

    The work of a killed step must not finish a moment later.
    """
    while connection.recv(1) == INTERRUPT:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    if not _is_reported.is_set():
        os.kill(os.getpid(), signal.SIGKILL)


def _work(connection: socket.socket, main: Callable[[], int]) -> None:
    """Runs the step's command, sends its exit status to the step, and exits.

    Exits without the interpreter's clean-up: libraries that the server imported would print errors
    into the step's log.
    """
    status = 1
    try:
        status = main()
    except SystemExit as ended:  # argparse
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    _is_reported.set()
    connection.send(bytes([status]))
    os._exit(status)


if __name__ == "__main__":
    step = serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    become(step)
    from manybaskets.cli.main import main

    _work(step, main)
