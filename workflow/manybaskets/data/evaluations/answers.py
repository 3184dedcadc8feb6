"""Prompts and responses of any file, for the commands that measure and judge files.

A value that is not a text, and a response that ends within its reasoning, is a missing response
with its reason. Reasoning is not part of a response. Two prompts are the same only if everything
before and after them (context, input, system message, earlier turns) is the same, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from manybaskets.config.dataset import RowFields
from manybaskets.data.evaluations.answer import Answer, answer_of
from manybaskets.data.evaluations.formats import format_of, inspect_log
from manybaskets.data.tables import shapes
from manybaskets.data.tables.formats import Table, open_table
from manybaskets.data.tables.shapes import Record, Shape
from manybaskets.files import InputError


class Fields(NamedTuple):
    """Names of fields that a person gave; None where the field is to be recognised."""

    prompt: str | None = None
    response: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class AnswerFile:
    """The answers of a file, and how it was understood."""

    table: Table
    understood: str
    """Shape and fields, for people."""
    answers: list[Answer]

    @property
    def missing(self) -> list[Answer]:
        """The rows without a response."""
        return [answer for answer in self.answers if answer.response is None]

    def describe(self) -> str:
        """Returns format, shape and counts as one line."""
        line = f"{self.table.path}: {self.table.describe()}; {self.understood}; "
        line += f"{len(self.answers):,} rows"
        missing = self.missing
        if missing:
            first = self.table.where(missing[0].number)
            line += f", {len(missing):,} without a response (the first: {first}: "
            line += f"{missing[0].reason})"
        return line


def read_answers(path: Path, named: Fields | None = None, needs_prompt: bool = True) -> AnswerFile:
    """Reads all answers of a file of any format and shape.

    Raises InputError for a file that cannot be read, has no fields for them, or has no response at
    all.
    """
    table = inspect_log.archive(path) if inspect_log.is_archive(path) else open_table(path)
    (first,) = islice(table.rows(), 1)
    known = None if named and any(named) else format_of(first.fields, "answers")
    if known:
        return _checked(AnswerFile(table, known.NAME, list(known.answers(table.rows()))))
    shape = _shape(table, named or Fields(), needs_prompt)
    answers = [_of_record(record, bool(shape.prompt)) for record in shapes.records(table, shape)]
    return _checked(AnswerFile(table, shape.describe(), answers))


def _checked(file: AnswerFile) -> AnswerFile:
    if len(file.missing) == len(file.answers):
        first = file.missing[0]
        raise InputError(
            f"{file.table.where(first.number)}: {first.reason}. No row of the file has a response. "
            "Name another field with --response, or correct the file."
        )
    return file


def _of_record(record: Record, has_prompt: bool) -> Answer:
    reason = record.reason
    response = record.response
    if record.prompt is None and has_prompt:
        response = None  # an answer to an unknown prompt belongs to no prompt
    return answer_of(
        record.number, record.prompt or "", response, record.fields, record.context_messages, reason
    )


def _shape(table: Table, named: Fields, needs_prompt: bool) -> Shape:
    """Returns the shape of a file; fields that a person named win."""
    rows = [row.fields for row in islice(table.rows(), shapes.EXAMINED)]
    names = list(dict.fromkeys(name for fields in rows for name in fields))
    for option, name in named._asdict().items():
        if name and not any(shapes.has(fields, name) for fields in rows):
            raise InputError(
                f"{table.path}: the field '{name}' is missing; the rows have "
                f"{', '.join(names[:20]) or 'no fields'}. Name another one with --{option}."
            )
    if named.prompt or named.context:
        given = RowFields(prompt=named.prompt, response=named.response, context=named.context)
        return shapes.shape_of(table, given)
    response = named.response or shapes.usual_response(names)
    try:
        if not named.response:
            return shapes.shape_of(table)
        return _with_response(shapes.shape_of(table, needs_response=False), named.response)
    except InputError:
        if not response or needs_prompt:
            raise InputError(_unrecognised(table, names, bool(response))) from None
    return Shape("responses", response=response)


def _with_response(shape: Shape, response: str) -> Shape:
    """Returns the shape of prompts with a response in a field of its own."""
    if shape.messages:
        return Shape("named fields", prompt=shape.messages, response=response, system=shape.system)
    name = "prompt and response"
    if shape.prompt == response:
        return Shape("responses", response=response)
    after = "" if shape.after == response else shape.after
    before = "" if shape.before == response else shape.before
    return replace(shape, name=name, response=response, before=before, after=after)


def _unrecognised(table: Table, names: Sequence[str], has_response: bool) -> str:
    wanted, usual = ("prompt", shapes.PROMPTS) if has_response else ("response", shapes.RESPONSES)
    return (
        f"{table.path}: no field of a usual name for the {wanted} ({', '.join(usual[:4])}, …); the "
        f"rows have {', '.join(names[:20]) or 'no fields'}. Name the field with --{wanted}."
    )
