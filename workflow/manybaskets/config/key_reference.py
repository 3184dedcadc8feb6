"""The reference page of all config keys, generated from the pydantic models."""

import json
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

SIMPLE = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "any value"}
LIMITS = {"gt": "above {}", "ge": "at least {}", "le": "at most {}", "lt": "below {}"}
HEADER = ("| key | type | default | description |", "|---|---|---|---|")


def page(title: str, introduction: str, studies: Mapping[str, type[BaseModel]]) -> str:
    """The page in Markdown: for each kind of study, a table of keys per section."""
    lines = [f"# {title}", "", introduction]
    for heading, model in studies.items():
        lines += ["", f"## {heading}", "", *_prose(model), "", *_table(model)]
        for path, section in sections(model):
            lines += ["", f"### `{path}`", "", *_prose(section), "", *_table(section)]
    return "\n".join(lines) + "\n"


def undocumented(model: type[BaseModel]) -> list[str]:
    """Paths of the keys without a description."""
    documented = [("", model), *sections(model)]
    return [
        f"{path}.{key}".lstrip(".")
        for path, section in documented
        for key, field in section.model_fields.items()
        if not field.description
    ]


def _prose(section: type[BaseModel]) -> list[str]:
    return [" ".join(part.split()) for part in (section.__doc__ or "").split("\n\n")]


def _table(section: type[BaseModel]) -> Iterator[str]:
    yield from HEADER
    for key, field in section.model_fields.items():
        limits = [text for text in (_limits(field.metadata),) if text]
        kind = ", ".join([_kind(field.annotation), *limits])
        cells = (f"`{key}`", kind, _default(field), " ".join((field.description or "").split()))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def sections(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The nested sections of a model, by their paths; `<name>` stands for names a study chooses."""
    for key, field in model.model_fields.items():
        for suffix, section in _nested(field.annotation):
            place = f"{path}.{key}{suffix}".lstrip(".")
            yield place, section
            yield from sections(section, place)


def _nested(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    elif get_origin(annotation) is dict:
        for suffix, section in _nested(get_args(annotation)[1]):
            yield f".<name>{suffix}", section
    elif get_origin(annotation) in (Union, UnionType, Annotated):
        for option in get_args(annotation):
            yield from _nested(option)


def _kind(annotation: Any) -> str:
    """The type of a value in words, with its allowed values."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if origin is Annotated:
        return ", ".join(filter(None, (_kind(arguments[0]), _limits(arguments[1:]))))
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_kind(option) for option in arguments if option is not type(None))
    if origin is list:
        return f"list of {_kind(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)}: {', '.join(map(_kind, arguments))}"
    if origin is dict:
        named = f" ({_kind(arguments[0])})" if arguments[0] is not str else ""
        return f"by name{named}: {_kind(arguments[1])}"
    return "section"


def _limits(metadata: Any) -> str:
    """Constraints of a value in words."""
    words = []
    for constraint in metadata:
        for name, text in LIMITS.items():
            limit = getattr(constraint, name, None)
            words += [text.format(limit)] if limit is not None else []
        if getattr(constraint, "min_length", None) is not None:
            words.append("not empty")
        if getattr(constraint, "pattern", None) is not None:
            words.append(f"matches `{constraint.pattern}`")
        words += [text for text in (_limits(getattr(constraint, "metadata", ())),) if text]
    return ", ".join(dict.fromkeys(words))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, BaseModel):
        return "as below"
    return f"`{json.dumps(value, ensure_ascii=False)}`"
