"""Files that appear whole or not at all: JSON, JSON lines and directories.

Knows nothing about what is in them. Every output of every step is written through this module.
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


def canonical_json(value: Any) -> str:
    """One string per value: sorted keys, no spaces, no NaN, text as text."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a path beside `path`; renamed onto it when the block succeeds, removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(UNFINISHED, f".{path.name}.", path.parent)
    os.close(handle)
    beside = Path(name)
    beside.chmod(
        0o666 & ~_umask()
    )  # mkstemp makes 0600; results are as readable as the user's files
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yields an empty directory beside `path`; renamed onto it when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(UNFINISHED, f".{path.name}.", path.parent))
    beside.chmod(0o777 & ~_umask())
    try:
        yield beside
        if path.is_dir():
            shutil.rmtree(path)
        beside.replace(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def clear_unfinished(folder: Path) -> None:
    """Removes what writers left below `folder` that were killed; there must be none at work."""
    for place, folders, names in os.walk(folder):
        for name in [name for name in folders if _is_unfinished(name)]:
            shutil.rmtree(Path(place, name), ignore_errors=True)
            folders.remove(name)
        for name in names:
            if _is_unfinished(name):
                Path(place, name).unlink(missing_ok=True)


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith(UNFINISHED)


def write_text(path: Path, text: str) -> None:
    """Writes `text` whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` with sorted keys, indented, whole or not at all; NaN is refused."""
    write_text(
        path,
        json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    )


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes one canonical JSON object a line, whole or not at all."""
    with whole_file(path) as beside, beside.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(canonical_json(row) + "\n")


def restrict(folder: Path) -> None:
    """Makes a folder that only its owner can look into, and a folder `restricted` that it is in."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in (folder, *(above for above in folder.parents if above.name == "restricted")):
        place.chmod(0o700)  # Snakemake may have made it already, for everybody


def restricted_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Like `write_jsonl`, in a folder and with a mode that only the owner can read."""
    restrict(path.parent)
    with whole_file(path) as beside:
        beside.chmod(0o600)
        with beside.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(canonical_json(row) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


class InputError(ValueError):
    """A data file cannot be used; the message names the file, the line and the mend."""


def read_jsonl(path: Path, required: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file (or of a JSON array), each with the `required` fields.

    Raises InputError for a file that is missing, empty, not UTF-8, not JSON at a line, or that
    lacks a field at a line.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Check the path.")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8."
        ) from None
    if text.lstrip().startswith("["):
        numbered = _array_rows(path, text)
    else:
        numbered = [
            (number, _parse_line(path, number, line))
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ]
    if not numbered:
        raise InputError(f"{path}: the file is empty. It needs one JSON object a line.")
    for number, row in numbered:
        if not isinstance(row, dict):
            raise InputError(
                f"{path}, line {number}: found a {type(row).__name__}, expected a JSON object."
            )
        for field in required:
            if field not in row:
                raise InputError(
                    f"{path}, line {number}: the field '{field}' is missing; the row has "
                    f"{', '.join(sorted(row)) or 'no fields'}. Add it, or name the right field "
                    "in the config."
                )
    return [row for _, row in numbered]


def _array_rows(path: Path, text: str) -> list[tuple[int, Any]]:
    try:
        return list(enumerate(json.loads(text), start=1))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from None


def _parse_line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}). "
            "Each line must be one JSON object."
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
