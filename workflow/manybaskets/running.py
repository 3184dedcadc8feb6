"""One run of a study at a time, and what every job of it has to know: the study as it is run.

The lock is the kernel's, on `results/<study>/run.lock`: it goes with the process that holds it.
"""

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import IO

from manybaskets import validation
from manybaskets.config import ConfigError
from manybaskets.files import read_json, write_text
from manybaskets.study import Study

_held: list[IO[str]] = []


def begin(study: Study) -> None:
    """Makes this process the one that runs the study, until it ends; once is enough.

    Raises ConfigError when another process runs it.
    """
    if _held:
        return
    root = Path(study.root)
    root.mkdir(parents=True, exist_ok=True)
    lock = (root / "run.lock").open("a+")
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
    # Dictionaries keep their order in it: that of a mix's origins says which quarter is whose.
    described = json.dumps(study.config.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_text(root / "study.json", described + "\n")


def holder(study: Study) -> str | None:
    """Who runs the study at this moment, in words; None for nobody."""
    try:
        with (Path(study.root) / "run.lock").open() as lock:
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
