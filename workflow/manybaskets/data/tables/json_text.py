"""Rows of JSON: lines, arrays, objects with a list of rows, objects of columns.

Files are parsed as streams by Python's own decoder. A key that occurs twice in one object is an
error; NaN and infinity are numbers, which no text field accepts.
"""

import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from manybaskets.data.tables import streams
from manybaskets.files import InputError

LISTS = (
    "data",
    "rows",
    "instances",
    "examples",
    "items",
    "records",
    "samples",
    "results",
    "outputs",
    "dataset",
    "train",
    "validation",
    "test",
)
"""Keys of an object whose list of objects is a file's rows."""
_NO_SPACE = re.compile(r"[^ \t\r\n]")
_CHUNK = 1 << 20
_NEAR = 16  # characters before the end of a chunk where an error may come from the cut


class _DuplicateKey(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _DuplicateKey(f"the key '{twice[:80]}' occurs twice in one object")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def value_of(text: str) -> Any:
    """Returns the value of a JSON text; raises ValueError with a short reason."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(reason(error)) from None


def reason(error: Exception) -> str:
    """Returns why a text is not readable as JSON, in a few words."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg} at column {error.colno})"
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    if isinstance(error, _DuplicateKey):
        return str(error)
    if "integer string conversion" in str(error):
        return "it contains an integer of thousands of digits"
    return str(error)


def document(path: Path) -> Any:
    """Returns the whole value of a JSON file; raises InputError."""
    encoding = streams.encoding_of(streams.head(path, 4))
    with streams.readable(path), streams.open_text(path, encoding, "\n") as file:
        text = file.read()
    try:
        return value_of(text)
    except ValueError as error:
        raise InputError(f"{path}: {error}. Correct the file.") from None


def lines(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields number and row of each line that is not blank."""
    with streams.readable(path), streams.open_text(path, encoding, "\n") as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                row = _DECODER.decode(line)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{path}, line {number}: {reason(error)}. Each line must be one JSON object."
                ) from None
            yield number, _checked(row, f"{path}, line {number}")


def array(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields number and object of each element of an array."""
    with streams.readable(path), streams.open_text(path, encoding, "\n") as file:
        text = _Stream(path, file)
        yield from text.elements()
        text.expect_end()


def objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the rows of an object: its list of objects, its columns, or itself.

    Further objects after the first are rows, too.
    """
    with streams.readable(path), streams.open_text(path, encoding, "\n") as file:
        text = _Stream(path, file)
        fields: dict[str, Any] = {}
        is_wrapped = False
        for key in text.members():
            if not is_wrapped and key in LISTS and text.is_list_of_objects():
                is_wrapped = True
                yield from text.elements()
            else:
                fields[key] = text.value()
        if is_wrapped:
            text.expect_end()
        else:
            yield from _rows_of_object(text, fields)


def _rows_of_object(
    text: "_Stream", fields: dict[str, Any]
) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 1
    if not text.peek():
        yield from enumerate(_columns(fields) or [fields], start=1)
        return
    yield number, fields
    while text.peek():
        number += 1
        yield number, _checked(text.value(), f"{text.path}, row {number}")


def _columns(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of an object of at least two lists of one length; [] for other objects."""
    lists = [value for value in fields.values() if isinstance(value, list)]
    if len(lists) < 2 or len(lists) < len(fields) or len({len(column) for column in lists}) > 1:
        return []
    return [dict(zip(fields, values, strict=True)) for values in zip(*lists, strict=True)]


def _checked(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise InputError(f"{where}: found a {type(row).__name__}, expected a JSON object.")
    return row


class _Stream:
    """JSON text that is read in chunks, as far as a value needs it."""

    def __init__(self, path: Path, file: TextIOWrapper) -> None:
        self.path, self.file = path, file
        self.text, self.position, self.line = "", 0, 1
        self.is_complete = False

    def peek(self) -> str:
        """Returns the next character that is not white space, "" at the end of the file."""
        while not (match := _NO_SPACE.search(self.text, self.position)):
            self.position = len(self.text)
            if not self._fill():
                return ""
        self.position = match.start()
        return match[0]

    def take(self, character: str) -> None:
        """Moves past an expected character."""
        if self.peek() != character:
            raise self._error(f"not JSON (expected '{character}')")
        self.position += 1

    def value(self) -> Any:
        """Returns the next value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.position)
            except json.JSONDecodeError as error:
                if self._is_cut(error) and self._fill():
                    continue
                raise self._error(f"not JSON ({error.msg})", error.pos) from None
            except (ValueError, RecursionError) as error:
                raise self._error(reason(error)) from None
            if end < len(self.text) or not self._fill():
                self.position = end
                return value

    def elements(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields number and object of each element of the array that is next."""
        self.take("[")
        number = 0
        while self.peek() != "]":
            if number:
                self.take(",")
            number += 1
            yield number, _checked(self.value(), f"{self.path}, row {number}")
        self.take("]")

    def members(self) -> Iterator[str]:
        """Yields each key of the object that is next, with the stream at its value."""
        self.take("{")
        names: set[str] = set()
        while self.peek() != "}":
            if names:
                self.take(",")
            if self.peek() != '"':
                raise self._error("not JSON (expected a key in double quotes)")
            name = self.value()
            if name in names:
                raise self._error(f"the key '{name[:80]}' occurs twice in one object")
            names.add(name)
            self.take(":")
            yield name
        self.take("}")

    def is_list_of_objects(self) -> bool:
        """Returns whether the next value is a list that begins with an object."""
        if self.peek() != "[":
            return False
        while not (match := _NO_SPACE.search(self.text, self.position + 1)):
            if not self._fill():
                return False
        return match[0] == "{"

    def expect_end(self) -> None:
        """Raises InputError if the file contains more than white space."""
        if self.peek():
            raise self._error("more text follows the end of the JSON value")

    def _fill(self) -> bool:
        """Reads on; a value that is still cut gets twice the text."""
        rest = self.text[self.position :]
        chunk = "" if self.is_complete else self.file.read(max(_CHUNK, len(rest)))
        if not chunk:
            self.is_complete = True
            return False
        self.line += self.text.count("\n", 0, self.position)
        self.text, self.position = rest + chunk, 0
        return True

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Returns whether an error may be due to missing text."""
        return error.msg.startswith("Unterminated string") or error.pos + _NEAR >= len(self.text)

    def _error(self, text: str, position: int | None = None) -> InputError:
        end = self.position if position is None else position
        line = self.line + self.text.count("\n", 0, end)
        return InputError(f"{self.path}, line {line}: {text}. Correct the file.")
