"""Rows in a temporary file, of which only what decides a split is in memory.

A dataset of a million rows of 1 kB needs 1 GB as dictionaries; their ids and strata need a fifth.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

Row = dict[str, Any]
_encode = json.JSONEncoder(ensure_ascii=False).encode
_IN_MEMORY = 64 * 1024**2  # bytes; larger stores go to a file


class RowStore:
    """Appends rows and returns them by their position."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._end = 0

    def append(self, row: Row) -> int:
        """Stores a row and returns its position."""
        line = _encode(row).encode() + b"\n"
        position = self._end
        self._file.write(line)
        self._end += len(line)
        return position

    def row(self, position: int) -> Row:
        """Returns a stored row."""
        self._file.seek(position)
        row: Row = json.loads(self._file.readline())
        self._file.seek(self._end)
        return row


class StoredRows(Sequence[Row]):
    """A sequence of stored rows; each access reads the row again.

    `entries` are rows of `at` (the position) and fields that the sequence adds, for example the
    quarter. `view` returns what a reader sees of a row.
    """

    def __init__(
        self,
        store: RowStore,
        entries: Sequence[Row],
        view: Callable[[Row], Row] = lambda row: row,
    ) -> None:
        self._store, self.entries, self._view = store, entries, view

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> "StoredRows": ...

    def __getitem__(self, index: int | slice) -> "Row | StoredRows":
        if isinstance(index, slice):
            return StoredRows(self._store, self.entries[index], self._view)
        entry = self.entries[index]
        row = {"id": entry["id"], **self._store.row(entry["at"])}
        if "quarter" in entry:
            row["quarter"] = entry["quarter"]
        return self._view(row)

    def __iter__(self) -> Iterator[Row]:
        return (self[index] for index in range(len(self)))

    def viewed(self, view: Callable[[Row], Row]) -> "StoredRows":
        """Returns the same rows as another view shows them."""
        return StoredRows(self._store, self.entries, view)
