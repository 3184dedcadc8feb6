"""Rows of Parquet and Arrow files, and of folders that `save_to_disk` of `datasets` wrote."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manybaskets.data.tables import streams
from manybaskets.files import InputError

_BATCH = 512  # rows that are converted at a time
_BUFFER = 1 << 20  # bytes of a column that are read at a time


def parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields number and row of a Parquet file."""
    import pyarrow.parquet as pq

    with _checked(path, "Parquet"), streams.open_seekable(path) as file:
        table = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
        yield from _numbered(path, table.iter_batches(_BATCH))


def arrow_file(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields number and row of an Arrow file (Feather 2)."""
    import pyarrow as pa

    with _checked(path, "Arrow"), streams.open_seekable(path) as file:
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        yield from _numbered(path, batches)


def arrow_stream(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields number and row of an Arrow stream."""
    yield from arrow_streams([path])


def arrow_streams(paths: list[Path]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the rows of several Arrow streams, numbered through."""
    import pyarrow as pa

    number = 0
    for path in paths:
        with _checked(path, "Arrow"), streams.open_bytes(path) as file:
            for _, row in _numbered(path, pa.ipc.open_stream(file)):
                number += 1
                yield number, row


def saved_files(folder: Path, split: str | None) -> list[Path]:
    """Returns the Arrow files of a folder that `save_to_disk` wrote.

    `split` chooses a part of a DatasetDict, which may have only one without it. Raises InputError.
    """
    parts = folder / "dataset_dict.json"
    if parts.is_file():
        names = _json(parts).get("splits")
        folder = folder / _chosen(folder, names if isinstance(names, list) else [], split)
    state = folder / "state.json"
    if not state.is_file():
        raise InputError(
            f"{folder}: this folder was not written by save_to_disk of datasets (it has no "
            "state.json). Give a file, or the folder of a saved dataset."
        )
    entries = _json(state).get("_data_files")
    names = [str(entry.get("filename")) for entry in entries or [] if isinstance(entry, dict)]
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise InputError(f"{state}: names the file '{name}', which the folder does not have.")
    return [folder / name for name in names]


def _chosen(folder: Path, names: list[Any], split: str | None) -> str:
    known = [name for name in names if isinstance(name, str) and Path(name).name == name]
    if split is None and len(known) == 1:
        return known[0]
    if split in known:
        return str(split)
    wanted = f"has no split '{split}'" if split else "has several splits"
    raise InputError(
        f"{folder}: {wanted}. Set split to one of "
        f"{', '.join(known) or '(none)'}, or give the folder of one."
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}). Save the dataset again.") from None
    return value if isinstance(value, dict) else {}


@contextmanager
def _checked(path: Path, name: str) -> Iterator[None]:
    """Turns errors of pyarrow into an InputError."""
    import pyarrow as pa

    with streams.readable(path):
        try:
            yield
        except (pa.ArrowException, pa.ArrowInvalid, ValueError) as error:
            if isinstance(error, InputError):
                raise
            text = " ".join(str(error).split())[:200]
            raise InputError(
                f"{path}: not readable as {name} ({text}). Write the file again."
            ) from None


def _numbered(path: Path, batches: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for batch in batches:
        names = batch.schema.names
        if len(set(names)) < len(names):
            raise InputError(f"{path}: a column name occurs twice. Rename one of the columns.")
        for start in range(0, batch.num_rows, _BATCH):
            for row in batch.slice(start, _BATCH).to_pylist():
                number += 1
                yield number, row
