"""Rows of findings survive a table, and its CSV."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from manybaskets.figures.tables import read_table
from manybaskets.findings.contrasts import Contrast
from manybaskets.findings.rows import from_frame, to_frame

UNTESTED = Contrast(
    "wren",
    "collapse",
    "nll",
    "test",
    "nan",
    "human",
    "primary",
    1,
    5,
    1.0,
    reason="multi has 1 seed",
)
TESTED = Contrast(
    *("wren", "collapse", "nll", "test", "multi", "human", "primary", 5, 5),
    difference=-0.25,
    direction="lower",
    ci_low=-0.5,
    ci_high=-0.1,
    decided=True,
    equivalent=True,
    notes=("One of 6 seeds has no value.", "There are no values of prompts."),
)


def test_rows_survive_a_table() -> None:
    assert from_frame(to_frame([UNTESTED, TESTED], Contrast), Contrast) == [UNTESTED, TESTED]


def test_rows_survive_the_csv_of_a_table(tmp_path: Path) -> None:
    to_frame([UNTESTED, TESTED], Contrast).to_csv(tmp_path / "contrasts.csv", index=False)
    assert from_frame(read_table(tmp_path / "contrasts.csv"), Contrast) == [UNTESTED, TESTED]


def test_an_empty_table_has_all_columns_with_their_types() -> None:
    @dataclass(frozen=True)
    class Point:
        name: str
        value: float | None = None

    frame = to_frame([], Point)
    assert list(frame.columns) == ["name", "value"]
    assert frame["value"].dtype == "float64"
    assert from_frame(pd.DataFrame(columns=["name", "value"]), Point) == []
