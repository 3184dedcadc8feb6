"""A folder as a host of a network file system sees it: files of other hosts appear late.

A client of NFS remembers for seconds that a file was not there. Here bindfs does it: each host has
a mount of its own over the same folder, in a mount namespace of its own, and the kernel keeps names
that were not found for a while. A file that is opened has its newest content, as NFS guarantees.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 5  # for which a name that was not found stays so
OPTIONS = f"negative_timeout={SECONDS},entry_timeout=0,attr_timeout=0"


def can() -> bool:
    """Whether this machine can do it: FUSE, bindfs and the right to mount."""
    return os.path.exists("/dev/fuse") and shutil.which("bindfs") is not None and os.getuid() == 0


@dataclass(frozen=True)
class Host:
    """One host's sight of the folder."""

    pid: int | None  # of the process whose mount namespace it is; None: this machine's own sight

    def command(self, *words: str, cwd: Path = Path("/")) -> Sequence[str]:
        """The command that does `words` as this host, with itself as the process."""
        if self.pid is None:
            return ("env", f"--chdir={cwd}", *words)
        return ("nsenter", f"--mount=/proc/{self.pid}/ns/mnt", f"--wdns={cwd}", *words)


@contextlib.contextmanager
def host(folder: Path) -> Iterator[Host]:
    """A host that sees the files below `folder` late, where this machine can do that."""
    if not can():
        yield Host(None)
        return
    bindfs = ("bindfs", "-f", "--multithreaded", "--enable-lock-forwarding", "-o", OPTIONS)
    mounted = subprocess.Popen(
        ("unshare", "--mount", "--propagation", "private", *bindfs, str(folder), str(folder)),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not _is_mounted(mounted.pid, folder):
            if mounted.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"bindfs did not mount {folder}")
            time.sleep(0.05)
        yield Host(mounted.pid)
    finally:
        mounted.terminate()
        mounted.wait(20)


def _is_mounted(pid: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/mounts").read_text().splitlines()
        return any(
            line.split()[1].replace("\\040", " ") == str(folder) and " fuse" in line
            for line in lines
        )
    return False
