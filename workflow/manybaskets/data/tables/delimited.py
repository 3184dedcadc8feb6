"""Rows of CSV and TSV: every row has the columns of the heading, every quote is closed."""

import csv
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from manybaskets.data.tables import streams
from manybaskets.files import InputError

csv.field_size_limit(sys.maxsize)  # the default of 131,072 characters is less than a long document
DELIMITERS = {",": "CSV", "\t": "TSV", ";": "CSV with semicolons"}
"""Names of the formats, by delimiter."""


def delimiter_of(heading: str, suffix: str) -> str:
    """Returns the delimiter of a heading; `suffix` (".tsv") decides where there is none."""
    counts = {delimiter: heading.count(delimiter) for delimiter in DELIMITERS}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    return best if counts[best] else "\t" if suffix == ".tsv" else ","


def rows(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields line number and fields of each row; every value is a text.

    Raises InputError with the line for a row with another number of fields than the heading, an
    open quote, and text after a closing quote.
    """
    with streams.readable(path), streams.open_text(path, encoding, "") as file:
        records = _records(path, file, delimiter)
        _, heading = next(records)
        _check_heading(path, heading)
        for line, record in records:
            if len(record) != len(heading):
                raise InputError(
                    f"{path}, line {line}: the row has {len(record)} fields, the heading has "
                    f"{len(heading)}. Quote fields that contain '{_name(delimiter)}', or complete "
                    "the row."
                )
            yield line, dict(zip(heading, record, strict=True))


def _records(path: Path, file: TextIOWrapper, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the first line of each record and its fields, without blank lines."""
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    line = 1
    try:
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        text = "a quote that is opened in this row is never closed"
        if "unexpected end of data" not in str(error):
            text = f"not readable as {DELIMITERS[delimiter]} ({error})"
        raise InputError(
            f"{path}, line {line}: {text}. Close the quote; write a quote inside a field twice."
        ) from None


def _check_heading(path: Path, heading: list[str]) -> None:
    twice = sorted({name for name in heading if heading.count(name) > 1})
    if twice:
        raise InputError(
            f"{path}, line 1: the heading has the column '{twice[0]}' twice. Rename one of them."
        )


def _name(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else delimiter
