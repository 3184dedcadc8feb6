"""Plug-ins: modules that are found by the folder they are in (judges, metrics, selection rules).

A module that loads a folder declares it for the fingerprint, `LOADS = ("selection.operators",)`, so
that the code in that folder counts as its own; `LOADS = ("metrics:Metric",)` declares only the
objects of one class in the modules of a folder. Names are those of the files, with "-" for "_".
"""

import importlib
from types import ModuleType

from manybaskets.paths import PACKAGE

SUPPORT = {
    "probes.robustness.judges": ("model_card_prompt", "question", "prompts")
}  # modules there that are no judges


def names(folder: str) -> list[str]:
    """The names of what lies in a folder, sorted; imports nothing."""
    stems = [path.stem for path in (PACKAGE / folder.replace(".", "/")).glob("*.py")]
    return sorted(
        stem.replace("_", "-")
        for stem in stems
        if not stem.startswith("_") and stem not in SUPPORT.get(folder, ())
    )


def module(folder: str, name: str) -> ModuleType:
    """The module called `name` in a folder. Raises KeyError for a name that is not there."""
    if name not in names(folder):
        raise KeyError(f"{folder} contains no '{name}'. Known: {', '.join(names(folder))}")
    return importlib.import_module(f"{__package__}.{folder}.{name.replace('-', '_')}")


def modules(folder: str) -> dict[str, ModuleType]:
    """The modules of a folder by name."""
    return {name: module(folder, name) for name in names(folder)}
