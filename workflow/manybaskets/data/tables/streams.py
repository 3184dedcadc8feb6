"""Bytes and text of files, whatever their compression and encoding."""

import bz2
import codecs
import gzip
import io
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from manybaskets.files import InputError

_COMPRESSIONS = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte order mark",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
}
"""Names of the encodings for messages, by Python's names."""


def compression_of(path: Path) -> str:
    """Returns gzip, zstd, bzip2 or xz by the first bytes of a file, "" for other files."""
    with path.open("rb") as file:
        start = file.read(8)
    return next((name for magic, name in _COMPRESSIONS if start.startswith(magic)), "")


def encoding_of(head: bytes) -> str:
    """Returns Python's name of the encoding by the byte order mark; `utf-8` without a mark."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns errors of decompression and decoding into an InputError that names the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(_undecodable(path, error)) from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: the compressed file is damaged or cut off ({error}). Copy it again."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}). Check the file."
        ) from None


def open_bytes(path: Path) -> BinaryIO:
    """Opens the decompressed content of a file."""
    compression = compression_of(path)
    if compression == "gzip":
        return cast(BinaryIO, gzip.open(path))
    if compression == "bzip2":
        return cast(BinaryIO, bz2.open(path))
    if compression == "xz":
        return cast(BinaryIO, lzma.open(path))
    if compression == "zstd":
        import pyarrow

        return cast(BinaryIO, pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd"))
    return path.open("rb")


def open_seekable(path: Path) -> BinaryIO:
    """Opens the decompressed content of a file; a compressed one goes to a temporary file."""
    if not compression_of(path):
        return path.open("rb")
    temporary = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with open_bytes(path) as file:
        shutil.copyfileobj(file, temporary, 1024**2)
    temporary.seek(0)
    return cast(BinaryIO, temporary)


def head(path: Path, size: int) -> bytes:
    """Returns the first bytes of the decompressed content; raises InputError."""
    with readable(path), open_bytes(path) as file:
        parts, missing = [], size
        while missing and (part := file.read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


@contextmanager
def open_text(path: Path, encoding: str, newline: str | None) -> Iterator[io.TextIOWrapper]:
    """Opens the decompressed content as text; `newline` is that of `io.TextIOWrapper`."""
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding, newline=newline) as text:
        yield text


def _undecodable(path: Path, error: UnicodeDecodeError) -> str:
    name = ENCODINGS.get(encoding_of(head(path, 4)), "UTF-8")
    line, byte = _undecodable_line(path) if name.startswith("UTF-8") else (0, error.start)
    where = f"{path}, line {line}" if line else str(path)
    value = f" (byte 0x{byte:02x})" if line else ""
    return (
        f"{where}: not {name}{value}. Save the file as UTF-8; for Latin-1, "
        "`iconv -f latin1 -t utf-8` converts it."
    )


def _undecodable_line(path: Path) -> tuple[int, int]:
    """Returns the first line that is not UTF-8 and the offending byte; (0, 0) if there is none."""
    with open_bytes(path) as file:
        for number, line in enumerate(io.BufferedReader(cast(io.RawIOBase, file)), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return 0, 0
