"""The number of finished cells, printed while a study runs.

Counts the results that exist, so it works with any order of jobs and any executor.
"""

import sys
import threading
import time
from pathlib import Path

from manybaskets.study.layout import Study

SECONDS = 2.0
SHARE = 20  # counting takes at most one twentieth of the time


def cells_done(study: Study) -> int:
    """Counts the cells with the measurements of every probe."""
    probes = study.probes()
    return sum(
        all(Path(study.path(cell.path, f"{probe}.json")).exists() for probe in probes)
        for cell in study.cells
    )


def watch(study: Study) -> threading.Thread:
    """Starts a thread that prints the number of finished cells when it changes."""
    thread = threading.Thread(target=_print_changes, args=(study,), daemon=True)
    thread.start()
    return thread


def _print_changes(study: Study) -> None:
    printed = -1
    started = time.monotonic()
    while printed < len(study.cells):
        counted = time.monotonic()
        done = cells_done(study)
        if done != printed:
            minutes = (time.monotonic() - started) / 60
            print(
                f"{study.config.study}: {done} of {len(study.cells)} cells done"
                f" ({minutes:.1f} minutes in)",
                file=sys.stderr,
                flush=True,
            )
            printed = done
        # less often for a large study on a slow file system
        time.sleep(max(SECONDS, SHARE * (time.monotonic() - counted)))
