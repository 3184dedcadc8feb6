"""Processes of one user on one host: their private directory, start times and file locks."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LONGEST_DIRECTORY = 50  # bytes; socket paths below it must stay within 107


def private_directory() -> Path:
    """The directory of this user's sockets and locks on this host, made if needed, mode 0700.

    `$XDG_RUNTIME_DIR/manybaskets`, else `manybaskets-<uid>` among the temporary files; `/tmp` when
    those paths are too long for a socket. Raises PermissionError for a directory that another user
    owns or may enter.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [Path(runtime) / "manybaskets"] if runtime and Path(runtime).is_dir() else []
    candidates.append(Path(tempfile.gettempdir()) / f"manybaskets-{os.getuid()}")
    short = [path for path in candidates if len(os.fsencode(path)) <= LONGEST_DIRECTORY]
    directory = short[0] if short else Path(f"/tmp/manybaskets-{os.getuid()}")
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if directory.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(
            f"{directory} must be a directory that only user {os.getuid()} can enter "
            f"(owner {status.st_uid}, mode {status.st_mode & 0o777:o}). Remove it, or run "
            f"chmod 700 on it if it is yours."
        )
    return directory


def start_time(pid: int) -> int | None:
    """When process `pid` started, in the kernel's ticks since boot; None when there is none.

    With it a process can be told from a later one of the same number. A zombie is none.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


@contextmanager
def locked(path: Path, blocking: bool = True, shared: bool = False) -> Iterator[IO[str] | None]:
    """An advisory lock on the file at `path`, made if needed; None where it is taken already.

    Safe against the file being removed by the one who held it before.
    """
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if blocking else fcntl.LOCK_NB)
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, kind)
            except BlockingIOError:
                yield None
                return
            if _is_at(file, path):
                yield file
                return


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
