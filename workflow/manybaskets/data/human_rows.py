"""Rows that must be complete: human prompts and responses, and prompts for the sources."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manybaskets.config.dataset import Dataset, RowFields, Rows
from manybaskets.data.responses import Rule, normalise, split
from manybaskets.data.tables import shapes
from manybaskets.data.tables.formats import Table, open_table
from manybaskets.data.tables.shapes import Record, Shape
from manybaskets.files import InputError

Row = dict[str, Any]
_SHOWN = 3  # rows that a message names


@dataclass
class CompleteRows:
    """The complete rows of a table, streamed. `total` and `incomplete` are counts after the end.

    `incomplete` is `error` (an incomplete row is an error at the end of the table) or `drop`.
    `turns` is `last`, or `all` for conversations whose earlier responses count as responses, too.
    """

    table: Table
    shape: Shape
    turns: str = "last"
    incomplete: str = "error"
    reasoning: Rule = "drop"
    total: int = 0
    left_out: list[tuple[int, str]] = field(default_factory=list)
    """Number and reason of the first incomplete rows."""
    left_out_total: int = 0

    def __iter__(self) -> Iterator[Row]:
        """Yields rows of prompt, response, stratum and, if there is one, their context.

        Raises InputError for incomplete rows, unless they are dropped.
        """
        self.total = self.left_out_total = 0
        self.left_out = []
        for record in shapes.records(self.table, self.shape):
            self.total += 1
            response = self._response(record)
            reason = self.reason(record, response)
            if reason:
                self._leave_out(record.number, reason)
            else:
                yield self.row(record, response)
        if self.left_out and (self.incomplete == "error" or self.left_out_total == self.total):
            raise InputError(self.complaint())

    def complaint(self) -> str:
        """Returns the message on incomplete rows."""
        where = f"{self.table.path}, "
        if self.left_out_total > 1:
            where += f"{self.left_out_total:,} of {self.total:,} rows are incomplete: "
        rows = "; ".join(f"{self.table.unit} {n}: {reason}" for n, reason in self.left_out)
        more = "; …" if self.left_out_total > len(self.left_out) else ""
        remedy = "Correct them" if self.left_out_total > 1 else "Correct it"
        if self.left_out_total < self.total:
            remedy += ", or leave such rows out (incomplete_rows: drop)"
        return f"{where}{rows}{more}. {remedy}."

    def reason(self, record: Record, response: str | None = None) -> str:
        """Returns why a row is not complete; "" for a complete row.

        `response` is the row's response without its reasoning, if it is known already.
        """
        if record.reason:
            return record.reason
        shape = self.shape
        if not normalise(record.prompt or ""):
            return f"the prompt in the field '{shape.messages or shape.prompt}' is empty"
        response = self._response(record) if response is None else response
        if shape.response and not response:
            hint = (
                " beside its reasoning (reasoning: keep)" if (record.response or "").strip() else ""
            )
            return f"the response in the field '{shape.response}' is empty{hint}"
        return ""

    def row(self, record: Record, response: str | None = None) -> Row:
        """Returns prompt, response, stratum and context of a complete row."""
        response = self._response(record) if response is None else response
        row: Row = {"prompt": record.prompt or "", "stratum": record.stratum}
        if self.shape.response:
            row |= {"prompt": normalise(row["prompt"]), "response": response}
        if record.context_messages:
            row["context_messages"] = record.context_messages
            has_responses = any(one["role"] == "assistant" for one in record.context_messages)
            if self.turns == "all" and has_responses:
                row["turns"] = "all"
        return row

    def _response(self, record: Record) -> str:
        return split(record.response or "", self.reasoning).text

    def _leave_out(self, number: int, reason: str) -> None:
        self.left_out_total += 1
        if len(self.left_out) < _SHOWN:
            self.left_out.append((number, reason))


def open_rows(rows: Rows, path: str | None = None) -> CompleteRows:
    """Opens the file of human prompts and responses that a config names; raises InputError.

    `path` is another path of the file, for example of a download.
    """
    table = open_table(path or rows.file or "", rows.split)
    return of_table(table, rows, rows.incomplete_rows)


def of_table(table: Table, rows: Rows, incomplete: str) -> CompleteRows:
    """Returns the complete rows of an open table, as the config reads it."""
    shape = shapes.shape_of(table, rows.fields)
    turns, reasoning = (
        (rows.turns, rows.reasoning) if isinstance(rows, Dataset) else ("last", "drop")
    )
    return CompleteRows(table, shape, turns, incomplete, reasoning)


def open_table_of(path: str, fields: RowFields, split: str | None = None) -> CompleteRows:
    """Opens a file of prompts and perhaps responses, by the names of their fields or the usual."""
    table = open_table(path, split)
    try:
        shape = shapes.shape_of(table, fields)
    except InputError:
        if fields.response:
            raise
        shape = shapes.shape_of(table, fields, needs_response=False)
    return CompleteRows(table, shape)


def open_prompts(path: str, prompt: str | None) -> CompleteRows:
    """Opens a file of prompts; `prompt` is the name of their field, None to recognise it."""
    table = open_table(path)
    shape = shapes.shape_of(table, RowFields(prompt=prompt), needs_response=False)
    return CompleteRows(table, shape)


def table_of(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Returns rows in memory as a table, for example those of a hub dataset."""
    return Table(name, "rows", "row", _read=lambda: ((n, dict(r)) for n, r in enumerate(rows, 1)))
