"""Marks for the outputs of a self-consuming loop that diverged.

A model with NaN or infinite weights, or one that writes only empty responses, is a result of the
loop and not a failed job. Its outputs, and those of every later step of its chain, contain the
reason in place of their usual content, so that the other cells of the study finish and the
findings report the divergence.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from manybaskets.files import restrict, whole_directory, whole_file, write_json

FILE_IN_FOLDER = "diverged.json"
PREFIX = b'{"diverged":'  # the first bytes of an output that is marked


class Diverged(RuntimeError):
    """Raised for a model that diverged; the message contains the reason."""


def mark(path: Path, reason: str, folder: bool) -> None:
    """Writes the reason to an output (a file, or a folder with a file) in place of its content."""
    if folder:
        with whole_directory(path) as temporary:
            write_json(temporary / FILE_IN_FOLDER, {"diverged": reason})
        return
    if "restricted" in path.parts:
        restrict(path.parent)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps({"diverged": reason}, ensure_ascii=False) + "\n", "utf-8")


def reason(path: Path) -> str | None:
    """Returns the reason in a marked output; None if the output is unmarked or missing."""
    if path.is_dir():
        mark_file = path / FILE_IN_FOLDER
        return _parse(mark_file.read_text("utf-8")) if mark_file.is_file() else None
    try:
        with path.open("rb") as file:
            if file.read(len(PREFIX)) != PREFIX:
                return None
            return _parse((PREFIX + file.read()).decode("utf-8"))
    except FileNotFoundError:
        return None


def first_reason(paths: Iterable[str]) -> str | None:
    """Returns the reason of the first marked output among `paths`; None if none is marked."""
    return next((text for path in paths if (text := reason(Path(path)))), None)


def _parse(text: str) -> str:
    return str(json.loads(text)["diverged"])
