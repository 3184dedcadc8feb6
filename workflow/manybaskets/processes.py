"""Private directory, process start times and file locks of one user on one host."""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from manybaskets.files import InputError

MAX_DIRECTORY_BYTES = 50  # the path of a unix socket below it has at most 107 bytes


class PrivateDirectoryError(InputError, PermissionError):
    """Raised if another user owns or can enter the directory for sockets and locks."""


def private_directory() -> Path:
    """Returns the directory of this user's sockets and locks on this host (mode 0700).

    The directory is `$XDG_RUNTIME_DIR/manybaskets` or, without that variable, `manybaskets-<uid>`
    in the directory for temporary files; `/tmp/manybaskets-<uid>` if the path is too long for a
    socket. It is created if necessary. Raises PrivateDirectoryError if another user owns the
    directory or can enter it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [Path(runtime) / "manybaskets"] if runtime and Path(runtime).is_dir() else []
    candidates.append(Path(tempfile.gettempdir()) / f"manybaskets-{os.getuid()}")
    short = [path for path in candidates if len(os.fsencode(path)) <= MAX_DIRECTORY_BYTES]
    directory = short[0] if short else Path(f"/tmp/manybaskets-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    status = directory.lstat()
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not is_own or status.st_mode & 0o077:
        raise PrivateDirectoryError(
            f"{directory} must be a directory that only user {os.getuid()} can enter "
            f"(owner {status.st_uid}, mode {status.st_mode & 0o777:o}). Remove it, or run "
            f"chmod 700 on it if it is yours."
        )
    return directory


def start_time(pid: int) -> int | None:
    """Returns the start time of process `pid` in clock ticks since boot, or None if it is dead.

    The PID and the start time together identify a process, since PIDs are reused. A zombie counts
    as dead.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


@contextmanager
def locked(path: Path, blocking: bool = True, shared: bool = False) -> Iterator[IO[str] | None]:
    """Locks the file at `path` (advisory, created if necessary) while the context is open.

    Yields the open file. With `blocking=False`, yields None if another process holds the lock.
    A holder may delete the file before it unlocks: waiting processes then lock the new file.
    """
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if blocking else fcntl.LOCK_NB)
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, kind)
            except BlockingIOError:
                yield None
                return
            if _is_same_file(file, path):
                yield file
                return


def _is_same_file(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
