"""Measurements: invalid ones, the round trip, and a table with the same bytes every time."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manybaskets.files import InputError
from manybaskets.metrics.measurement import (
    COLUMNS,
    Measurement,
    from_json,
    gather,
    to_json,
    write_tables,
)


def measurement(**changed: Any) -> Measurement:
    fields: dict[str, Any] = {
        "probe": "collapse",
        "metric": "nll",
        "item_set": "test",
        "value": 1.5,
        "n": 10,
    }
    return Measurement(**(fields | changed))


def cell(**changed: Any) -> dict[str, Any]:
    fields = {"study": "docs", "target": "wren", "mix": "multi", "seed": 1, "generation": 0}
    return fields | changed


def write(path: Path, *measurements: Measurement) -> Path:
    path.write_text(json.dumps({"measurements": to_json(measurements), "spec": {}}))
    return path


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_a_value_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Use None and give the reason"):
        measurement(value=value)


def test_a_value_that_could_not_be_computed_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="Give the reason in the note"):
        measurement(value=None)
    assert measurement(value=None, note="no responses").value is None


def test_a_metric_without_a_definition_is_refused() -> None:
    with pytest.raises(ValueError, match="Define it as a Metric in a file"):
        measurement(metric="niceness")


@pytest.mark.parametrize("count", ["n", "excluded"])
def test_a_negative_count_is_refused(count: str) -> None:
    with pytest.raises(ValueError, match="counts start at 0"):
        measurement(**{count: -1})


def test_numpy_numbers_become_plain_ones() -> None:
    (row,) = to_json([measurement(value=np.float32(0.5), n=np.int64(3))])
    assert json.loads(json.dumps(row)) == row
    assert (row["value"], row["n"]) == (0.5, 3)


def test_measurements_survive_json() -> None:
    measurements = [measurement(), measurement(value=None, note="why", excluded=2)]
    assert from_json(json.loads(json.dumps(to_json(measurements)))) == measurements


def test_a_row_with_an_unknown_or_missing_field_is_refused() -> None:
    (row,) = to_json([measurement()])
    with pytest.raises(ValueError, match="unknown field colour"):
        from_json([row | {"colour": "red"}])
    with pytest.raises(ValueError, match="the field value is missing"):
        from_json([{key: row[key] for key in row if key != "value"}])


def test_a_table_has_a_row_per_measurement_sorted_by_its_columns(tmp_path: Path) -> None:
    one = write(tmp_path / "1.json", measurement(metric="self_bleu"), measurement())
    two = write(tmp_path / "2.json", measurement(value=None, note="why"))
    frame = gather([(cell(seed=10), one), (cell(seed=2), two), (cell(mix="human"), two)])
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["mix"]) == ["human", "multi", "multi", "multi"]
    assert list(frame["seed"]) == [1, 2, 10, 10]
    assert list(frame["metric"]) == ["nll", "nll", "nll", "self_bleu"]
    assert frame["value"].isna().tolist() == [True, True, False, False]


def test_the_order_of_the_cells_makes_no_difference_to_the_table(tmp_path: Path) -> None:
    path = write(tmp_path / "1.json", measurement(), measurement(metric="self_bleu"))
    cells = [(cell(seed=seed, mix=mix), path) for seed in (3, 1) for mix in "ba"]
    pd.testing.assert_frame_equal(gather(cells), gather(reversed(cells)))


def test_a_cell_without_a_seed_has_a_missing_seed(tmp_path: Path) -> None:
    path = write(tmp_path / "1.json", measurement())
    frame = gather([(cell(seed=None, mix="vanilla"), path), (cell(), path)])
    assert frame["seed"].isna().tolist() == [False, True]


def test_no_cells_make_an_empty_table_with_all_columns() -> None:
    frame = gather([])
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 0


def test_a_measurement_taken_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "1.json", measurement(), measurement(value=2.0))
    with pytest.raises(ValueError, match=r"measured twice: study docs, .*metric nll"):
        gather([(cell(), path)])


def test_a_cell_must_say_all_of_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the cell has no seed"):
        gather([({key: 1 for key in cell() if key != "seed"}, tmp_path / "1.json")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ('{"measurements": 3}', "expected an object"),
        ('{"measurements": [{"probe": "collapse"}]}', "is missing from a measurement"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "1.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=f"1.json: .*{message}"):
        gather([(cell(), path)])


def test_the_same_table_has_the_same_bytes(tmp_path: Path) -> None:
    source = write(
        tmp_path / "1.json", measurement(value=0.1 + 0.2), measurement(metric="self_bleu")
    )
    frame = gather([(cell(seed=seed), source) for seed in range(3)])
    for name in "ab":
        write_tables(frame, tmp_path / f"{name}.csv", tmp_path / f"{name}.parquet")
    for ending in ("csv", "parquet"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_a_table_reads_back_as_it_was(tmp_path: Path) -> None:
    source = write(tmp_path / "1.json", measurement(value=0.1 + 0.2, note='a "quoted", note'))
    lacking = write(tmp_path / "2.json", measurement(value=None, note="why"))
    frame = gather([(cell(), source), (cell(seed=None), lacking)])
    write_tables(frame, tmp_path / "t.csv", tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), frame)
    assert "0.30000000000000004" in (tmp_path / "t.csv").read_text()
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


def test_a_table_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        write_tables("no table", tmp_path / "t.csv", tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_probe_can_hand_in_measurements_without_loading_pandas() -> None:
    code = "import sys; from manybaskets.metrics.measurement import Measurement; "
    code += "import manybaskets.probes.preference.preference; "
    code += "Measurement('collapse', 'nll', 'test', 1.0, 1); sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
