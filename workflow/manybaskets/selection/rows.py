"""Rows of a pool: the responses that a mix may keep, each with its prompt's id and its sample."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from manybaskets.seeds import derived_seed

Row = dict[str, Any]
USABLE = ("ok", "length")  # states of responses that have a text


def identity(row: Mapping[str, Any]) -> tuple[str, str, int]:
    """Returns the origin, the id of the prompt, and the sample: unique in a pool."""
    return row["origin"], row["id"], row["sample"]


def key(row: Mapping[str, Any]) -> str:
    """Returns the identity of a row as one string."""
    return f"{row['origin']}|{row['id']}|{row['sample']}"


def groups(rows: Sequence[Row], by: Callable[[Row], Hashable]) -> Iterator[list[int]]:
    """Yields the positions of rows that share a key, in the order of the keys' first rows."""
    positions: dict[Hashable, list[int]] = {}
    for position, row in enumerate(rows):
        positions.setdefault(by(row), []).append(position)
    yield from positions.values()


def rank(row: Row, seed: int) -> tuple[float, int]:
    """Returns the key by which scored rows are ranked: the score, then a draw that breaks ties."""
    return row["score"], derived_seed(seed, "tie", *identity(row))
