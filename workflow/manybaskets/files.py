"""Atomic writes of JSON files, JSON-lines files and directories, and checked reads of them.

Every step writes its outputs through this module: an output is either complete or absent.
"""

import errno
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"
MAX_MESSAGE = 3000  # characters
READER_SECONDS = 10.0
NAME_LENGTH = 40  # characters of a file's name in the name of its temporary file


def canonical_json(value: Any) -> str:
    """Returns the canonical JSON of a value: sorted keys, no spaces, non-ASCII text unescaped.

    Raises ValueError for NaN and infinity.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def indented_json(value: Any) -> str:
    """Returns the JSON of a value for files: sorted keys, indented, non-ASCII text unescaped.

    Raises ValueError for NaN and infinity.
    """
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`, to be written to.

    The temporary file replaces `path` when the block succeeds, and is deleted when it raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(UNFINISHED, f".{path.name[:NAME_LENGTH]}.", path.parent)
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o666 & ~_umask())  # mkstemp creates files with mode 0600
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yields an empty temporary directory in the folder of `path`, to be filled.

    The temporary directory replaces `path` when the block succeeds, and is deleted when it raises.
    A link is replaced, and its target stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(UNFINISHED, f".{path.name}.", path.parent))
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        if path.is_symlink():  # to another disk, for example; its target is kept
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def file_for_person(path: Path) -> Iterator[Path]:
    """Yields a temporary path to be written to, for a file that a person names.

    A device, FIFO, or file with other names (hard links) is written through. For a symbolic link,
    its target is written and the link stays. Any other file is replaced when the block succeeds,
    and keeps its mode. Raises InputError for a folder, and for a path that cannot be written.
    """
    with _explained(path):
        is_folder, is_written_through = path.is_dir(), _is_written_through(path)
    if is_folder:
        raise InputError(f"{path}: this is a folder. Name a file.")
    if is_written_through:
        with tempfile.TemporaryDirectory() as folder:
            yield (temporary := Path(folder, "content"))
            with _explained(path):
                _write_through(path, temporary.read_bytes())
        return
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise InputError(f"{path}: this link leads to itself. Name another file.")
    with _explained(path), whole_file(target) as temporary:
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        yield temporary


def write_for_person(path: Path, text: str) -> None:
    """Writes `text` in UTF-8 to a file that a person names; see `file_for_person`."""
    with file_for_person(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _is_written_through(path: Path) -> bool:
    """Returns whether a path cannot be replaced: it is not a regular file, or has other names."""
    if str(path.absolute()).startswith(("/dev/", "/proc/")):
        return True
    try:
        status = path.stat()
    except OSError:
        return False
    is_replaceable = os.access(Path(os.path.realpath(path)).parent, os.W_OK)
    return not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or not is_replaceable


def _write_through(path: Path, content: bytes) -> None:
    # /dev/stdout may be a file that other output is appended to
    is_device = str(path.absolute()).startswith(("/dev/", "/proc/"))
    opener = _open_fifo if path.is_fifo() else None
    with open(path, "ab" if is_device else "wb", buffering=0, opener=opener) as file:
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[file.write(remaining) :]


def _open_fifo(fifo: str, flags: int) -> int:
    """Opens a FIFO once a process reads it; raises InputError after `READER_SECONDS`."""
    deadline = time.monotonic() + READER_SECONDS
    while True:
        try:
            descriptor = os.open(fifo, flags | os.O_NONBLOCK)
            os.set_blocking(descriptor, True)
            return descriptor
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if time.monotonic() > deadline:
            raise InputError(
                f"{fifo}: no process reads this FIFO. Start its reader first, or name a file."
            )
        time.sleep(0.05)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raises InputError for an OSError of a path, except for a reader that closed a pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(
            f"{path}: this cannot be written ({error.strerror or error}). Name another path."
        ) from None


def clear_unfinished(folder: Path) -> None:
    """Deletes the temporary files and directories of killed writers below `folder`.

    No process may be writing below `folder` at the time.
    """
    for parent, folders, names in os.walk(folder):
        for name in [name for name in folders if _is_unfinished(name)]:
            shutil.rmtree(Path(parent, name), ignore_errors=True)
            folders.remove(name)
        for name in names:
            if _is_unfinished(name):
                Path(parent, name).unlink(missing_ok=True)


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith(UNFINISHED)


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` atomically, in UTF-8."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_private(path: Path, text: str) -> None:
    """Writes `text` like `write_text`, to a file that only its owner can read."""
    with whole_file(path) as temporary:
        temporary.chmod(0o600)
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` to `path` atomically, as indented JSON with sorted keys.

    Raises ValueError for NaN and infinity.
    """
    write_text(path, indented_json(value))


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes `rows` to `path` atomically, one canonical JSON object per line."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(canonical_json(row) + "\n")


def restrict(folder: Path) -> None:
    """Creates a folder with mode 0700, and sets this mode for parent folders named `restricted`."""
    folder.mkdir(parents=True, exist_ok=True)
    for private in (folder, *(parent for parent in folder.parents if parent.name == "restricted")):
        private.chmod(0o700)  # Snakemake may have created it with the mode of the umask


def restricted_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes `rows` like `write_jsonl`, to a file and folder that only the owner can read."""
    restrict(path.parent)
    with whole_file(path) as temporary:
        temporary.chmod(0o600)
        with temporary.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(canonical_json(row) + "\n")


class InputError(ValueError):
    """Raised for unusable input; the message names the file or key, the problem and the remedy.

    Messages have at most MAX_MESSAGE characters, whatever the input contains.
    """

    def __init__(self, message: str) -> None:
        if len(message) > MAX_MESSAGE:
            message = f"{message[: MAX_MESSAGE - 500]} … {message[-497:]}"
        super().__init__(message)


def read_json(path: Path) -> Any:
    """Returns the value in a JSON file; raises InputError for content that is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, _NotJson) else ""
        raise InputError(f"{path}: {_reason(error, place)}.") from None


def read_jsonl(path: Path, required: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Returns the rows of a JSON-lines file (or of a JSON array).

    Raises InputError for a file that is missing, empty or not UTF-8, and for a line that is not
    a JSON object or lacks one of the `required` fields.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Check the path.")
    try:
        numbered = _numbered_rows(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the file.") from None
    if not numbered:
        raise InputError(f"{path}: the file is empty. It needs one JSON object per line.")
    for number, row in numbered:
        if not isinstance(row, dict):
            raise InputError(
                f"{path}, line {number}: found a {type(row).__name__}, expected a JSON object."
            )
        for field in required:
            if field not in row:
                raise InputError(
                    f"{path}, line {number}: the field '{field}' is missing; the row has "
                    f"{', '.join(sorted(row)) or 'no fields'}. Add the field, or correct its name "
                    "in the config."
                )
    return [row for _, row in numbered]


def _numbered_rows(path: Path) -> list[tuple[int, Any]]:
    """Returns line number and value of every line; numbers of elements for an array."""
    numbered: list[tuple[int, Any]] = []
    with path.open("rb") as file:
        place = 0
        for number, line in enumerate(file, start=1):
            text = _decoded(path, line, place)
            if not numbered and text.lstrip().startswith("["):
                return _array_rows(path, text + _decoded(path, file.read(), place + len(line)))
            if text.strip():
                numbered.append((number, _parse_line(path, number, text)))
            place += len(line)
    return numbered


def _decoded(path: Path, data: bytes, place: int) -> str:
    """Returns the text of bytes that begin at `place` of a file, without a byte order mark."""
    try:
        return data.decode("utf-8" if place else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 at byte {place + error.start}. Save the file as UTF-8."
        ) from None


def _array_rows(path: Path, text: str) -> list[tuple[int, Any]]:
    try:
        return list(enumerate(json.loads(text), start=1))
    except (ValueError, RecursionError) as error:
        place = f"{path}, line {error.lineno}" if isinstance(error, _NotJson) else str(path)
        raise InputError(f"{place}: {_reason(error)}.") from None


def _parse_line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        column = f" at column {error.colno}" if isinstance(error, _NotJson) else ""
        raise InputError(
            f"{path}, line {number}: {_reason(error, column)}. Each line must be one JSON object."
        ) from None


_NotJson = json.JSONDecodeError


def _reason(error: Exception, place: str = "") -> str:
    """Returns why a text is not JSON."""
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    if isinstance(error, _NotJson):
        return f"not JSON ({error.msg}{place})"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start}"
    return "not JSON (an integer of thousands of digits)"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
