"""Hashes of files and folders; those of large files are kept in the user's cache.

A kept value is used while size, times and inode of the file are unchanged, so that planning does
not read a file of gigabytes again. The cache is `$XDG_CACHE_HOME/manybaskets` or
`~/.cache/manybaskets`; without a home, or where it cannot be written, nothing is kept.
"""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from manybaskets.files import whole_file
from manybaskets.paths import cache_folder

LARGE = 8 * 1024**2  # bytes from which a hash is kept
_UNSETTLED_SECONDS = 2.0  # a file that changed this recently may change within its time stamp


def content_hash(path: Path) -> str:
    """Returns sixteen hex digits of the SHA-256 of a file, or of a folder's names and files."""
    if not path.is_dir():
        return _file_hash(path)
    files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    parts = (f"{entry.relative_to(path)} {_file_hash(entry)}" for entry in files)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def size_of(path: Path) -> int:
    """Returns the bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(entry.stat().st_size for entry in files if entry.is_file())


def kept(kind: str, key: str, compute: Callable[[], Any]) -> Any:
    """Returns the JSON value that is kept under a key, or computes it and keeps it."""
    place = _place(kind, key)
    value = _read(place)
    if value is not None and value.get("key") == key:
        return value["value"]
    computed = compute()
    _write(place, {"key": key, "value": computed})
    return computed


def _file_hash(path: Path) -> str:
    status = path.stat()
    if status.st_size < LARGE or time.time() - status.st_mtime < _UNSETTLED_SECONDS:
        return _computed(path)
    times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    key = " ".join(map(str, (path.absolute(), *times)))
    return str(kept("hashes", key, lambda: _computed(path)))


def _computed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _place(kind: str, key: str) -> Path | None:
    folder = cache_folder()
    name = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
    return folder / kind / f"{name[:32]}.json" if folder else None


def _read(place: Path | None) -> dict[str, Any] | None:
    try:
        value = json.loads(place.read_text(encoding="utf-8")) if place else None
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and "value" in value else None


def _write(place: Path | None, value: dict[str, Any]) -> None:
    if place is None:
        return
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(place) as temporary:
            temporary.chmod(0o600)
            temporary.write_text(json.dumps(value), encoding="utf-8")
    except OSError:
        return
