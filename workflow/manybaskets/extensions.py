"""What is found by lying in a folder of this package: judges, metrics of words, operators.

A module that loads a folder declares it for `fingerprint`, `LOADS = ("metrics",)`, so that what
lies there counts as its code. Names are those of files, with "-" for "_".
"""

import importlib
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent
SUPPORT = {"judges": ("cards", "question", "texts")}  # modules there that are no judges


def names(folder: str) -> list[str]:
    """The names of what lies in a folder, sorted; imports nothing."""
    stems = [path.stem for path in (PACKAGE / folder).glob("*.py")]
    return sorted(
        stem.replace("_", "-")
        for stem in stems
        if not stem.startswith("_") and stem not in SUPPORT.get(folder, ())
    )


def modules(folder: str) -> dict[str, ModuleType]:
    """The modules of a folder by name."""
    return {
        name: importlib.import_module(f"{__package__}.{folder}.{name.replace('-', '_')}")
        for name in names(folder)
    }
