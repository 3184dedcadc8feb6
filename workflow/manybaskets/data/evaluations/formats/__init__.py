"""Files of other evaluation programs, one module per format.

A module contains `NAME`, `recognises` (whether the first row of a file has the format's fields) and
at least one of `answers` (rows to prompts and responses) and `judgements` (rows to judgements as
`probes.preference.pairs.tabulate` reads them).
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from manybaskets import plugins

LOADS = ("data.evaluations.formats",)
FOLDER = "data.evaluations.formats"


def format_of(fields: Mapping[str, Any], function: str) -> ModuleType | None:
    """Returns the format that recognises a row and has `function`; None if there is none."""
    for module in plugins.modules(FOLDER).values():
        if hasattr(module, function) and module.recognises(fields):
            return module
    return None
