"""Atomic writes of JSON files, JSON-lines files and directories, and checked reads of them.

Every step writes its outputs through this module: an output is either complete or absent.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"
MAX_MESSAGE = 3000  # characters


def canonical_json(value: Any) -> str:
    """Returns the canonical JSON of a value: sorted keys, no spaces, non-ASCII text unescaped.

    Raises ValueError for NaN and infinity.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`, to be written to.

    The temporary file replaces `path` when the block succeeds, and is deleted when it raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(UNFINISHED, f".{path.name}.", path.parent)
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
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(UNFINISHED, f".{path.name}.", path.parent))
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def write_json(path: Path, value: Any) -> None:
    """Writes `value` to `path` atomically, as indented JSON with sorted keys.

    Raises ValueError for NaN and infinity.
    """
    write_text(
        path,
        json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    )


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
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8."
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the file.") from None
    if text.lstrip().startswith("["):
        numbered = _array_rows(path, text)
    else:
        numbered = [
            (number, _parse_line(path, number, line))
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ]
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
