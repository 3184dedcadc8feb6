"""Detects an engine that has requests but produces no tokens, and gives the likely reason.

The server's process runs a `Watch`. It writes the message to the engine's log and to a file, which
`reported` copies to the log of each job that uses the engine, and which `status` shows.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from manybaskets.devices import on_cpu
from manybaskets.files import write_text
from manybaskets.machine import NATIVE, cpu_computes

FILE = "stalled"  # in the engine's directory
VARIABLE = "MANYBASKETS_STALL_FILE"
SECONDS = float(os.environ.get("MANYBASKETS_STALL_SECONDS", 120))
POLL_SECONDS = min(5.0, SECONDS / 4)
SCARCE = 0.05  # share of the memory
BUSY = 1.5  # runnable processes per core
MIB = 1024**2


class Watch:
    """The time since an engine last produced a token, or had no requests.

    `waiting` returns the number of unfinished requests; `clock` the time in seconds.
    """

    def __init__(self, path: Path, dtype: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.dtype = dtype
        self.waiting: Callable[[], int] = lambda: 0
        self._clock = clock
        self._since = clock()

    def progress(self) -> None:
        """Records that tokens came, or that the first request arrived."""
        self._since = self._clock()

    def check(self) -> None:
        """Writes the message after `SECONDS` without a token, and deletes it when tokens come."""
        seconds = self._clock() - self._since
        requests = self.waiting()
        if requests and seconds >= SECONDS:
            if not self.path.exists():
                text = message(requests, seconds, self.dtype)
                write_text(self.path, text)
                print(text, file=sys.stderr, flush=True)
        else:
            self.path.unlink(missing_ok=True)

    def start(self) -> None:
        """Checks repeatedly in a thread."""
        threading.Thread(target=self._check_forever, daemon=True).start()

    def _check_forever(self) -> None:
        while self.path.parent.is_dir():  # the directory is renamed at the engine's end
            self.check()
            time.sleep(POLL_SECONDS)


def message(requests: int, seconds: float, dtype: str) -> str:
    """Returns a sentence on the stalled engine and one on the likely reason."""
    return (
        f"The engine has {requests} requests, but has produced no token for {seconds:.0f} seconds. "
        f"{likely_reason(dtype)}"
    )


def likely_reason(dtype: str) -> str:
    """Returns why an engine with weights of `dtype` is slow on this machine, and the remedy."""
    if on_cpu() and dtype in NATIVE and not cpu_computes(dtype):
        return (
            f"It computes in {dtype}, which this CPU emulates. Set engine.dtype to auto or float32."
        )
    available, total = _memory()
    if available < SCARCE * total:
        return (
            f"The machine has {available / MIB:,.0f} MiB of memory left. Stop other programs, or "
            "give snakemake fewer cores."
        )
    cores, running = os.cpu_count() or 1, os.getloadavg()[0]
    if on_cpu() and running > BUSY * cores:
        return (
            f"About {running:.0f} processes or threads compete for {cores} cores. Stop other "
            "programs, or give snakemake fewer cores."
        )
    if on_cpu():
        return (
            "The model may be too large for this CPU, or the prompts too long. Use a smaller model "
            "or shorter prompts, raise engine.threads, or use a GPU."
        )
    return "Another process may use the GPU (nvidia-smi lists them), or the prompts are very long."


def _memory() -> tuple[float, float]:
    """Returns the available and the total bytes of memory; (1, 1) if the kernel hides them."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 1.0, 1.0
    sizes = {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}
    available, total = sizes.get("MemAvailable"), sizes.get("MemTotal")
    if not available or not total:
        return 1.0, 1.0
    return float(available[0]) * 1024, float(total[0]) * 1024


def text_of(directory: Path) -> str:
    """Returns the message on the engine in `directory`, "" if it is not stalled."""
    try:
        return (directory / FILE).read_text(encoding="utf-8")
    except OSError:
        return ""


@contextmanager
def reported(directory: Path) -> Iterator[None]:
    """Prints the message on the engine in `directory` to stderr once, if it stalls."""
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(POLL_SECONDS):
            if text := text_of(directory):
                print(text, file=sys.stderr, flush=True)
                return

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
