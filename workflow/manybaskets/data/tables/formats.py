"""Tables of rows in files of other programs, recognised by their content.

Formats: JSON lines, JSON arrays, `{"data": [...]}`, CSV, TSV, Parquet, Arrow (file and stream),
each also compressed (gzip, zstd, bzip2, xz), and folders that `save_to_disk` wrote. Text is UTF-8,
or UTF-16 with a byte order mark. Rows are streamed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from manybaskets.data.tables import columnar, delimited, json_text, streams
from manybaskets.files import InputError

_HEAD = 1 << 20
_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet; unpack it, or export it as CSV"),
    (b"FEA1", "Feather 1; write it as Feather 2 or Parquet"),
    (b"\x80\x04", "a pickle, which can run code; save it as JSON lines or Parquet"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"%PDF", "a PDF; save its text as JSON lines"),
)
FORMATS = (
    'JSON lines, a JSON array, {"data": [...]}, CSV, TSV, Parquet or Arrow, also compressed, or a '
    "folder written by save_to_disk"
)
"""The formats that are read, for messages."""


class Row(NamedTuple):
    """A row of a file: its line (in text of one row a line) or else its number, from 1."""

    number: int
    fields: dict[str, Any]


_Rows = Iterator[tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class Table:
    """A file of rows. `rows()` streams them from the start, as often as it is called."""

    path: Path | str
    """Path, or the name of a dataset, for messages."""
    format: str
    """Name for people, for example `JSON lines`."""
    unit: str
    """`line` or `row`: the meaning of the number of a row."""
    compression: str = ""
    encoding: str = ""
    """Name for people, for example `UTF-16`; "" for formats that are not text."""
    _read: Callable[[], _Rows] = field(kw_only=True, repr=False)

    def rows(self) -> Iterator[Row]:
        """Yields the rows; raises InputError with file and line."""
        number = 0
        for number, fields in self._read():
            yield Row(number, fields)
        if not number:
            raise InputError(f"{self.path}: the file has no rows. Add rows, or name another file.")

    def where(self, number: int) -> str:
        """Returns file and row for messages."""
        return f"{self.path}, {self.unit} {number}"

    def describe(self) -> str:
        """Returns format, compression and encoding as one phrase."""
        return ", ".join(filter(None, (self.format, self.compression, self.encoding)))


def open_table(path: Path | str, split: str | None = None) -> Table:
    """Opens a file of rows. `split` chooses a part of a saved DatasetDict.

    Raises InputError for a file that does not exist, is empty, or has no known format.
    """
    path = Path(path)
    if path.is_dir():
        files = columnar.saved_files(path, split)
        name = "Arrow, written by save_to_disk"
        return Table(path, name, "row", _read=partial(columnar.arrow_streams, files))
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Check the path.")
    with streams.readable(path):
        compression = streams.compression_of(path)
    head = streams.head(path, _HEAD)
    _refuse_foreign(path, head)
    if binary := _binary(path, head):
        name, read = binary
        return Table(path, name, "row", compression, _read=read)
    return _text_table(path, compression, head)


def read_table(path: Path | str, split: str | None = None) -> list[Row]:
    """Returns all rows of a file; raises InputError."""
    return list(open_table(path, split).rows())


def _refuse_foreign(path: Path, head: bytes) -> None:
    for magic, text in _FOREIGN:
        if head.startswith(magic):
            raise InputError(f"{path}: {text}. Formats that are read: {FORMATS}.")
    if not head.strip():
        raise InputError(f"{path}: the file is empty. Add rows, or name another file.")


def _binary(path: Path, head: bytes) -> tuple[str, Callable[[], _Rows]] | None:
    if head.startswith(b"PAR1"):
        return "Parquet", partial(columnar.parquet, path)
    if head.startswith(b"ARROW1"):
        return "Arrow", partial(columnar.arrow_file, path)
    if head.startswith(b"\xff\xff\xff\xff"):
        return "Arrow stream", partial(columnar.arrow_stream, path)
    return None


def _text_table(path: Path, compression: str, head: bytes) -> Table:
    encoding = streams.encoding_of(head)
    if encoding == "utf-8" and b"\0" in head[:64]:
        raise InputError(
            f"{path}: neither a known format nor UTF-8 text (UTF-16 needs a byte order mark). "
            f"Formats that are read: {FORMATS}."
        )
    text = head.decode(encoding, errors="replace").lstrip("\ufeff")
    if not text.strip():
        raise InputError(f"{path}: the file is empty. Add rows, or name another file.")
    name, unit, read = _text_format(path, text, encoding)
    return Table(path, name, unit, compression, streams.ENCODINGS[encoding], _read=read)


def _text_format(path: Path, text: str, encoding: str) -> tuple[str, str, Callable[[], _Rows]]:
    start = text.lstrip()
    suffix = _suffix(path)
    if start[0] == "[" and suffix not in (".csv", ".tsv"):
        return "JSON array", "row", partial(json_text.array, path, encoding)
    if start[0] == "{" and not _is_lines(start):
        return "JSON object", "row", partial(json_text.objects, path, encoding)
    if start[0] == "{" or suffix in (".jsonl", ".json", ".ndjson"):
        return "JSON lines", "line", partial(json_text.lines, path, encoding)
    heading = start.split("\n", 1)[0]
    delimiter = delimited.delimiter_of(heading, suffix)
    if delimiter not in heading and suffix not in (".csv", ".tsv"):
        raise InputError(
            f"{path}, line 1: neither JSON nor a heading of several columns. Formats that are "
            f"read: {FORMATS}."
        )
    read = partial(delimited.rows, path, encoding, delimiter)
    return delimited.DELIMITERS[delimiter], "line", read


def _is_lines(start: str) -> bool:
    """Returns whether text that begins with an object has one object per line.

    A single line is an object that may contain a list of rows; a file whose first line ends in the
    middle of an object is a document over several lines.
    """
    first, _, rest = start.partition("\n")
    rest = rest.lstrip()
    if not rest:
        return False
    try:
        json_text.value_of(first)
    except ValueError:
        return rest.startswith("{")
    return True


def _suffix(path: Path) -> str:
    """Returns the suffix in lower case, without that of a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst", ".bz2", ".xz"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
