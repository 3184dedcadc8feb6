"""Discovers plug-in modules by their folder (judges, metrics, selection rules).

A plug-in's name is the name of its file with "-" for "_". A module that loads a folder declares
it for the fingerprint: with `LOADS = ("selection.operators",)`, the code in that folder counts as
the module's own; with `LOADS = ("metrics:Metric",)`, only the objects of one class do.
"""

import importlib
from types import ModuleType

from manybaskets.paths import PACKAGE


def names(folder: str) -> list[str]:
    """Returns the sorted names of the plug-ins in a folder, without importing them."""
    stems = [path.stem for path in (PACKAGE / folder.replace(".", "/")).glob("*.py")]
    return sorted(stem.replace("_", "-") for stem in stems if not stem.startswith("_"))


def module(folder: str, name: str) -> ModuleType:
    """Imports and returns the plug-in `name` of a folder; raises KeyError for an unknown name."""
    if name not in names(folder):
        raise KeyError(f"{folder} contains no '{name}'. Known: {', '.join(names(folder))}")
    return importlib.import_module(f"{__package__}.{folder}.{name.replace('-', '_')}")


def modules(folder: str) -> dict[str, ModuleType]:
    """Imports the plug-ins of a folder and returns the modules by name."""
    return {name: module(folder, name) for name in names(folder)}
