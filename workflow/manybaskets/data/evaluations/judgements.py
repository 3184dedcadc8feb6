"""Judgements of pairs and of single texts in any file."""

from itertools import islice
from pathlib import Path
from typing import Any

from manybaskets.data.evaluations.formats import format_of
from manybaskets.data.tables.formats import open_table


def read_judgements(path: Path) -> tuple[list[dict[str, Any]], str]:
    """Returns the rows of a file as judgements, and how the file was understood, as one line.

    Rows of AlpacaEval and MT-bench are converted; other rows are as they are. Raises InputError.
    """
    table = open_table(path)
    (first,) = islice(table.rows(), 1)
    known = format_of(first.fields, "judgements")
    if known:
        rows = list(known.judgements(table, table.rows()))
    else:
        rows = [row.fields for row in table.rows()]
    name = known.NAME if known else "judgements"
    return rows, f"{path}: {table.describe()}; {name}; {len(rows):,} judgements."
