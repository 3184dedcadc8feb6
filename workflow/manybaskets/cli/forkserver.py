"""A process that has imported what steps need and forks for each: start-up is paid once a run.

    python -m manybaskets.cli.forkserver <socket> <process it ends with> <module> …

Importing PyTorch, transformers and PEFT takes six seconds of a core, longer than many a step of a
small study works. A run of Snakemake starts one server; a step asks it for a copy of itself, which
does the work under the step's arguments, environment, folder and open files. The step waits for it
and ends as it does; without a server, or before it is ready, it does the work itself.

On GPUs there is none: libraries may touch a device while they are imported, and a copy of a process
that has cannot use it.
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
KILLED = 137  # what a shell says of a process that was killed
_told = threading.Event()  # the step knows how its command ended


def place() -> Path:
    """Where the server of a run listens that this process starts."""
    from manybaskets.processes import private_directory

    return private_directory() / f"forks-{os.getpid()}"


def start(
    path: Path, environment: dict[str, str], modules: tuple[str, ...] = PRELOADED
) -> "subprocess.Popen[bytes]":
    """Starts a server that listens at `path` and ends with this process.

    `environment` is what the steps find in theirs: libraries read some of it when imported.
    """
    for old in path.parent.glob("forks-*"):  # of servers that were killed
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            if probe.connect_ex(str(old)) == errno.ECONNREFUSED:
                old.unlink()
    return subprocess.Popen(
        [sys.executable, "-m", "manybaskets.cli.forkserver", str(path), str(os.getpid()), *modules],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the steps, which tell their copies
    )


def ask() -> int | None:
    """Has this process's command done by a copy of the server: its exit status.

    None where no server listens. The copy ends when this process does.
    """
    path = os.environ.get(VARIABLE, "")
    with socket.socket(socket.AF_UNIX) as connection:
        what = {"arguments": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ)}
        message = json.dumps(what).encode("utf-8", "surrogateescape")
        try:
            connection.connect(path)
            socket.send_fds(connection, [struct.pack("!I", len(message))], [0, 1, 2])
            connection.sendall(message)  # a copy that did not get all of it does nothing
        except OSError:
            return None
        try:
            said = connection.recv(1)
        except KeyboardInterrupt:
            connection.send(INTERRUPT)
            said = connection.recv(1)
    if not said:
        print("The process of this step was killed.", file=sys.stderr)
        return KILLED
    return said[0]


def serve(path: Path, parent: int, modules: list[str]) -> socket.socket:
    """Waits for steps and forks for each; returns in the copies, with the connection to the step.

    Ends this process when `parent`, which started it, is gone.
    """
    for name in modules:
        with suppress(ImportError):  # the step that needs it will say so
            importlib.import_module(name)
    # A copy would walk through millions of the libraries' objects whenever it collects garbage.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(128)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel clears away copies that ended
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
    """Takes over the arguments, environment, folder and open files of the step."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    (length,) = struct.unpack("!I", size)
    message = bytearray()
    while len(message) < length:
        part = connection.recv(length - len(message))
        if not part:  # the step is gone already
            os._exit(1)
        message += part
    what = json.loads(message.decode("utf-8", "surrogateescape"))
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(what["folder"])
    os.environ.clear()
    os.environ.update(what["environment"])
    sys.argv[:] = what["arguments"]
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()


def _end_with(connection: socket.socket) -> None:
    """Interrupts this process when the step is interrupted, and kills it when the step is gone.

    A step that was killed must not finish its work a moment later.
    """
    while connection.recv(1) == INTERRUPT:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    if not _told.is_set():
        os.kill(os.getpid(), signal.SIGKILL)


def _work(connection: socket.socket, main: Callable[[], int]) -> None:
    """Does the step's command, says how it went, and ends this process.

    The interpreter is not taken apart at the end: the libraries of the server, which are not this
    process's to clear away, would complain of it in the step's log.
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
    _told.set()
    connection.send(bytes([status]))
    os._exit(status)


if __name__ == "__main__":
    asked = serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    become(asked)
    from manybaskets.cli.main import main

    _work(asked, main)
