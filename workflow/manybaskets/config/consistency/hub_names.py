"""Checks of the names of repositories on the Hugging Face hub, wherever a config has one."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from manybaskets.config.base import shown
from manybaskets.config.study import StudyConfig

KEYS = ("hub", "adapter")
MAX_LENGTH = 96  # of the hub
_PART = r"[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_PART}(?:/{_PART})?", re.ASCII)


def bad_hub_names(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Every repository name that the hub cannot have, such as a path."""
    for key, name in _names(config, ()):
        is_name = _NAME.fullmatch(name) and len(name) <= MAX_LENGTH
        if not is_name or "--" in name or ".." in name:
            yield (
                key,
                f"{shown(name)} is not the name of a repository on the hub: organisation/name. "
                "Correct it; for files on this machine, use path or file.",
            )


def _names(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yields key and value of every KEYS of the sections in a value."""
    if isinstance(value, BaseModel):
        for key in type(value).model_fields:
            inner = getattr(value, key)
            if key in KEYS and isinstance(inner, str):
                yield ".".join((*place, key)), inner
            else:
                yield from _names(inner, (*place, key))
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _names(entry, (*place, str(name)))
