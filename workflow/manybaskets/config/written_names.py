"""Names in a config that YAML does not read as text, such as `no`, `null`, `1.0` or a date."""

from collections.abc import Iterator, Mapping
from typing import Any

NAMED = (
    *(("models",), ("sources",), ("mixes",), ("mixes", "*", "origins")),
    *(("probes", "robustness", "judges"), ("probes", "preference", "judges")),
    *(("contrasts", "doses"), ("contrasts", "doses", "*")),
)
"""The paths of dictionaries whose keys are names that the study chooses; `*` is any key."""


def names_that_are_not_text(raw: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Yields the key of every name that is not a text, with the problem and how to fix it.

    A conversion to text would make two names of one (`1.0` and "1.0"), or another (`no`: False).
    """
    for path in NAMED:
        for place, section in _sections(raw, path):
            for name in section:
                if not isinstance(name, str):
                    yield (
                        f"{place}.{name}",
                        f"YAML reads this name as {name!r} ({type(name).__name__}), not as text. "
                        "Put the name in quotes, or choose another one.",
                    )


def _sections(
    value: Any, path: tuple[str, ...], place: str = ""
) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yields the dictionaries at a path, with their keys."""
    if not isinstance(value, Mapping):
        return
    if not path:
        yield place, value
        return
    keys = list(value) if path[0] == "*" else [path[0]]
    for key in keys:
        if key in value:
            yield from _sections(value[key], path[1:], f"{place}.{key}".lstrip("."))
