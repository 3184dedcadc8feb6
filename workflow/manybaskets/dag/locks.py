"""One run of a study at a time, and the config of that run for its jobs.

The kernel releases both locks when the process that has them ends: a run locks `records/run.lock`,
and all its jobs share `records/jobs.lock`. Jobs outlive a killed Snakemake by a moment; the next
run waits for them.
"""

import _thread
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from manybaskets.config import validation
from manybaskets.config.base import ConfigError
from manybaskets.dag import results_format
from manybaskets.files import clear_unfinished, write_text
from manybaskets.processes import start_time
from manybaskets.study.layout import Study

POLL_SECONDS, GRACE_SECONDS = 0.5, 10.0
_open_locks: list[IO[str]] = []  # closing the file would release the lock


def begin(root: Path) -> None:
    """Locks the study with results below `root` for this process, until it ends.

    Raises ConfigError when another process runs it.
    """
    lock = _lock_file(root, "run")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        raise ConfigError(
            f"{root}: this study is already running ({lock.read().strip() or 'no details'}). "
            "Wait for that run or end it; to run two studies side by side, rename one of them."
        ) from None
    lock.truncate(0)
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    lock.write(f"process {os.getpid()} on {socket.gethostname()}, since {started}\n")
    lock.flush()
    _open_locks.append(lock)


def settle(study: Study) -> None:
    """Waits for the jobs of a killed run, and writes the study's config for new ones."""
    root = Path(study.root)
    with _lock_file(root, "jobs") as jobs:
        try:
            fcntl.flock(jobs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Waiting for jobs of an earlier run to end.", file=sys.stderr)
            fcntl.flock(jobs, fcntl.LOCK_EX)
        clear_unfinished(root)
    content = results_format.study_file(study.config)
    described = json.dumps(content, indent=1, ensure_ascii=False)
    write_text(root / "study.json", described + "\n")


@contextmanager
def at_work(root: Path) -> Iterator[None]:
    """Shares the lock of jobs during the block, and ends the job when its Snakemake has ended.

    The main thread gets a KeyboardInterrupt; ten seconds later the process exits.
    """
    run = os.environ.get("MANYBASKETS_RUN_PID", "")
    with _lock_file(root, "jobs") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if run.isdigit():
            watcher = threading.Thread(target=_end_with, args=(int(run),), daemon=True)
            watcher.start()
        yield


def _end_with(run: int) -> None:
    started = start_time(run)
    while started is not None and start_time(run) == started:
        time.sleep(POLL_SECONDS)
    print("The snakemake that started this job has ended; the job ends too.", file=sys.stderr)
    _thread.interrupt_main()
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _lock_file(root: Path, name: str) -> IO[str]:
    folder = root / "records"
    folder.mkdir(parents=True, exist_ok=True)
    # Another user who can read the file could lock it, and so stop the study.
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    file = os.fdopen(descriptor, "a+")
    with suppress(PermissionError):  # the file of another user, as in a shared study
        os.fchmod(descriptor, 0o600)
    return file


def holder(study: Study) -> str | None:
    """Returns the process and host that run the study now, None when it is not running."""
    try:
        with (Path(study.root) / "records/run.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return lock.read().strip()
    except FileNotFoundError:
        pass
    except PermissionError:
        return None  # of another user
    return None


def running_study(root: Path) -> Study:
    """Returns the study with results below `root`, with the config of its last run.

    Raises ConfigError when there was none, or when the results have another format.
    """
    return Study(validation.load(results_format.read_study_file(root), f"{root}/study.json"))
