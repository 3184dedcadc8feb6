"""Cells done of cells total, told on the terminal while a study runs.

Looks only at which results exist, so it holds for any order of jobs and any executor.
"""

import sys
import threading
import time
from pathlib import Path

from manybaskets.stages.study import Study

SECONDS = 2.0
SHARE = 20  # looking takes at most one part in so many of the time


def cells_done(study: Study) -> int:
    """Cells of which every probe's measurements exist."""
    probes = study.probes()
    return sum(
        all(Path(study.path(cell.path, f"{probe}.json")).exists() for probe in probes)
        for cell in study.cells
    )


def watch(study: Study) -> threading.Thread:
    """Starts telling the number of finished cells whenever it changes; ends with the process."""
    thread = threading.Thread(target=_tell, args=(study,), daemon=True)
    thread.start()
    return thread


def _tell(study: Study) -> None:
    told = -1
    started = time.monotonic()
    while told < len(study.cells):
        looked = time.monotonic()
        done = cells_done(study)
        if done != told:
            minutes = (time.monotonic() - started) / 60
            print(
                f"{study.config.study}: {done} of {len(study.cells)} cells done"
                f" ({minutes:.1f} minutes in)",
                file=sys.stderr,
                flush=True,
            )
            told = done
        # a large study on a slow file system is looked at less often
        time.sleep(max(SECONDS, SHARE * (time.monotonic() - looked)))
