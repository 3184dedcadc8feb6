"""Generations of a loop that came to nothing, and what would have been made from them.

A model whose weights are no numbers, or that writes nothing, is a result of a loop and no failure
of a job: its products, and those of every later step of its chain, hold the reason in place of a
content, so that the other cells of the study finish and the findings say what happened.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from manybaskets.files import restrict, whole_directory, whole_file, write_json

IN_FOLDERS = "diverged.json"
BEGINS = b'{"diverged":'


class Diverged(RuntimeError):
    """A model cannot be used any more; the message says why."""


def mark(path: Path, reason: str, folder: bool) -> None:
    """Writes the reason where a product would be."""
    if folder:
        with whole_directory(path) as beside:
            write_json(beside / IN_FOLDERS, {"diverged": reason})
        return
    if "restricted" in path.parts:
        restrict(path.parent)
    with whole_file(path) as beside:
        beside.write_text(json.dumps({"diverged": reason}, ensure_ascii=False) + "\n", "utf-8")


def reason(path: Path) -> str | None:
    """Why there is no content in a product; None where there is some, or no product."""
    if path.is_dir():
        marked = path / IN_FOLDERS
        return reason_of(marked.read_text("utf-8")) if marked.is_file() else None
    try:
        with path.open("rb") as file:
            if file.read(len(BEGINS)) != BEGINS:
                return None
            return reason_of((BEGINS + file.read()).decode("utf-8"))
    except FileNotFoundError:
        return None


def first_reason(paths: Iterable[str]) -> str | None:
    """The reason of the first product that has one."""
    return next((found for path in paths if (found := reason(Path(path)))), None)


def reason_of(text: str) -> str:
    """The reason that a marked file holds."""
    return str(json.loads(text)["diverged"])
