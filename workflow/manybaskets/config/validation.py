"""Validates a config; reports every problem with its file and key, and how to fix it.

Reads the config file only (`yaml_files`). `dag.preflight` checks the files that the config names.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from manybaskets.config.base import ConfigError, shown
from manybaskets.config.consistency import contradictions
from manybaskets.config.controls import with_controls
from manybaskets.config.renamed import renamed_keys
from manybaskets.config.study import StudyConfig
from manybaskets.config.written_names import names_that_are_not_text

MAX_PROBLEMS = 50  # lines of a message
MAX_LINE = 2000  # characters
MAX_KEY = 200


def load(raw: dict[str, Any], file: str) -> StudyConfig:
    """Validates a parsed config and adds the random controls of its mixes.

    Raises ConfigError with one line per problem: `file`, key, problem, and how to fix it.
    """
    refuse_renamed(raw, file)
    try:
        config = StudyConfig.model_validate(raw, strict=False)
    except ValidationError as error:
        raise ConfigError(_lines(file, _explain(error))) from None
    problems = list(contradictions(config))
    if problems:
        raise ConfigError(_lines(file, problems))
    return config.model_copy(update={"mixes": with_controls(config.mixes, file)})


def refuse_renamed(raw: Mapping[str, Any], file: str) -> None:
    """Raises ConfigError with the new name of every key or value that was renamed."""
    problems = list(renamed_keys(raw))
    if problems:
        raise ConfigError(_lines(file, problems))


def problems_of(file: str, error: ValidationError) -> str:
    """Returns a message with one line per problem of a validation: file, key and value."""
    problems = [
        (".".join(map(str, one["loc"])), f"{one['msg']}; found {shown(one['input'])}.")
        for one in error.errors()
    ]
    return _lines(file, problems)


def refuse_unquoted(raw: Mapping[Any, Any], file: str) -> None:
    """Raises ConfigError with every name of a model, source, mix, … that is not text."""
    problems = list(names_that_are_not_text(raw))
    if problems:
        raise ConfigError(_lines(file, problems))


def _lines(file: str, problems: Iterable[tuple[str, str]]) -> str:
    lines = [f"{file}: {key}: {text}" if key else f"{file}: {text}" for key, text in problems]
    more = len(lines) - MAX_PROBLEMS
    others = [f"{file}: {more} more problems."] if more > 0 else []
    return "\n".join([line[:MAX_LINE] for line in lines[:MAX_PROBLEMS]] + others)


def _explain(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors():
        path = [part for part in problem["loc"] if part != "[key]"]
        key = ".".join(str(part)[:MAX_KEY] for part in path)
        if problem["type"] == "extra_forbidden":
            known = list(_section_at(path[:-1]).model_fields)
            near = difflib.get_close_matches(str(path[-1])[:MAX_KEY], known, n=1, cutoff=0.5)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
            yield key, f"unknown key. {hint}"
        elif problem["type"] == "missing":
            yield key, "this key is required and missing."
        elif problem["type"] == "value_error":
            yield key, f"{problem['ctx']['error']!s}."
        else:
            value = problem["input"]
            yield key, f"{problem['msg']}; found {shown(value)} ({type(value).__name__})."


def _section_at(path: Sequence[Any]) -> type[BaseModel]:
    """The section class at the path of a key."""
    current: Any = StudyConfig
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else StudyConfig
        else:
            current = get_args(current)[-1]
        options = [a for a in get_args(current) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not isinstance(current, type) and options and type(None) in get_args(current):
            current = options[0]
    return current if isinstance(current, type) and issubclass(current, BaseModel) else StudyConfig
