"""One run of a study at a time, and what every job of it has to know: the study as it is run.

Two locks, both the kernel's, so that they go with the processes that hold them: the run holds
`records/run.lock`, and every job shares `records/jobs.lock` while it works. Jobs outlive a killed
Snakemake by a moment; the next run waits for them.
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
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from manybaskets.config import validation
from manybaskets.config.base import ConfigError
from manybaskets.files import clear_unfinished, read_json, write_text
from manybaskets.processes import start_time
from manybaskets.stages.study import Study

POLL_SECONDS, GRACE_SECONDS = 0.5, 10.0
_held: list[IO[str]] = []  # a lock goes when its file is closed


def begin(root: Path) -> None:
    """Makes this process the one that runs the study with results below `root`, until it ends.

    Raises ConfigError when another process runs it.
    """
    lock = _lock_file(root, "run")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        raise ConfigError(
            f"{root}: this study is being run already ({lock.read().strip() or 'by somebody'}). "
            "Wait for that run or end it; to run two studies side by side, give them other names."
        ) from None
    lock.truncate(0)
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    lock.write(f"process {os.getpid()} on {socket.gethostname()}, since {started}\n")
    lock.flush()
    _held.append(lock)


def settle(study: Study) -> None:
    """Waits for the jobs of a run that was killed, and leaves word of the study for new ones."""
    root = Path(study.root)
    with _lock_file(root, "jobs") as jobs:
        try:
            fcntl.flock(jobs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Jobs of an earlier run are ending; waiting for them.", file=sys.stderr)
            fcntl.flock(jobs, fcntl.LOCK_EX)
        clear_unfinished(root)
    # Dictionaries keep their order in it: that of a mix's origins says which quarter is whose.
    described = json.dumps(study.config.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_text(root / "study.json", described + "\n")


@contextmanager
def at_work(root: Path) -> Iterator[None]:
    """Says that a job of the study works, and ends it when the Snakemake that started it is gone.

    Ending is a KeyboardInterrupt in the main thread; ten seconds later, it is the process's end.
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
    print("The snakemake that started this job is gone; the job ends.", file=sys.stderr)
    _thread.interrupt_main()
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _lock_file(root: Path, name: str) -> IO[str]:
    folder = root / "records"
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / f"{name}.lock").open("a+")


def holder(study: Study) -> str | None:
    """Who runs the study at this moment, in words; None for nobody."""
    try:
        with (Path(study.root) / "records/run.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return lock.read().strip()
    except FileNotFoundError:
        pass
    return None


def running_study(root: Path) -> Study:
    """The study whose results are below `root`, as it was last run."""
    path = root / "study.json"
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file. Start the study with snakemake.")
    return Study(validation.load(read_json(path), str(path)))
