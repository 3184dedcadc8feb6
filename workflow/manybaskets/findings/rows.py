"""Rows of a table as objects of a dataclass, and back."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import pandas as pd

SEPARATOR = " | "  # between the notes of a row

Row = TypeVar("Row")


def to_frame(rows: Sequence[Any], kind: type[Any]) -> pd.DataFrame:
    """A table with the fields of a dataclass as columns; None is a missing value.

    Notes are joined by SEPARATOR.
    """
    names = [field.name for field in fields(kind)]
    records = [[_cell(getattr(row, name)) for name in names] for row in rows]
    types = {field.name: _dtype(field.type) for field in fields(kind)}
    return pd.DataFrame(records, columns=names).astype(types)


def from_frame(frame: pd.DataFrame, kind: type[Row]) -> list[Row]:
    """The rows of a table that `to_frame` made, or that was read from its CSV."""
    described = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    return [
        kind(**{name: _value(record[name], type_) for name, type_ in described.items()})
        for record in frame.to_dict("records")
    ]


def _cell(value: Any) -> Any:
    return SEPARATOR.join(value) if isinstance(value, tuple) else value


def _dtype(type_: Any) -> str:
    types: dict[Any, str] = {str: "str", tuple[str, ...]: "str", int: "int64", bool: "bool"}
    return types.get(type_, "float64")


def _value(value: Any, type_: Any) -> Any:
    if type_ == tuple[str, ...]:
        return tuple(filter(None, str(value).split(SEPARATOR)))
    if type_ in (str, int, bool):
        return type_(value)
    return None if pd.isna(value) else float(value)
