"""Measurements: the results of every probe, and the table of a study.

A value that could not be computed is None with the reason in `note`; it is never 0, never NaN.
How a metric is computed is not decided here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manybaskets.files import InputError, read_json, whole_file
from manybaskets.metrics.registry import metric as registered

if TYPE_CHECKING:  # every probe imports this module, few of them write a table
    import pandas as pd

CELL = ("study", "target", "mix", "seed", "generation")

COLUMNS = (
    *(*CELL, "probe", "metric", "item_set", "value"),
    *("n", "excluded", "spread", "subsamples", "note"),
)

OPTIONAL = {"excluded", "note", "spread", "subsamples"}


@dataclass(frozen=True)
class Undefined:
    """The result of a computation whose value is not defined, and the reason."""

    reason: str


@dataclass(frozen=True)
class Measurement:
    """One value of one metric on one set of items of one cell.

    `value` is in the unit of its Metric, or None where it could not be computed; then `note` gives
    the reason. `n` counts the items behind the value, `excluded` the items left out. A value that
    is the mean over random `subsamples` of n items has their standard deviation as `spread`;
    otherwise there are 0 subsamples and there is no spread.

    Raises ValueError for a metric that is not registered, for NaN and infinity, for negative
    counts, and for a None without a reason.
    """

    probe: str
    metric: str
    item_set: str
    value: float | None
    n: int
    excluded: int = 0
    note: str = ""
    spread: float | None = None
    subsamples: int = 0

    def __post_init__(self) -> None:
        name = f"{self.probe}/{self.metric}/{self.item_set}"
        try:
            registered(self.metric)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if self.value is None:
            if not self.note:
                raise ValueError(
                    f"{name}: the value could not be computed, but the note is empty. Give the "
                    "reason in the note."
                )
        elif not math.isfinite(self.value):
            raise ValueError(
                f"{name}: the value is {self.value}. Use None and give the reason in the note."
            )
        else:
            object.__setattr__(self, "value", float(self.value))  # a numpy float is not JSON
        if self.spread is not None:
            object.__setattr__(self, "spread", float(self.spread))
        for count in ("n", "excluded", "subsamples"):
            if getattr(self, count) < 0:
                raise ValueError(f"{name}: {count} is {getattr(self, count)}; counts start at 0.")
            object.__setattr__(self, count, int(getattr(self, count)))


def with_remark(measurements: Sequence[Measurement], remark: str) -> list[Measurement]:
    """Returns the measurements with a remark at the end of their notes."""
    if not remark:
        return list(measurements)
    return [replace(m, note="; ".join(filter(None, (m.note, remark)))) for m in measurements]


def to_json(measurements: Iterable[Measurement]) -> list[dict[str, Any]]:
    """The measurements as plain objects, in the order given."""
    return [asdict(measurement) for measurement in measurements]


def from_json(rows: Iterable[Mapping[str, Any]]) -> list[Measurement]:
    """The measurements from plain objects; the inverse of `to_json`.

    Raises ValueError for a missing or unknown field and for an invalid Measurement.
    """
    known = {field.name for field in fields(Measurement)}
    measurements = []
    for row in rows:
        if unknown := sorted(set(row) - known):
            raise ValueError(
                f"unknown field {', '.join(unknown)}; a measurement has {', '.join(sorted(known))}."
            )
        if missing := sorted(known - OPTIONAL - set(row)):
            raise ValueError(f"the field {', '.join(missing)} is missing from a measurement.")
        measurements.append(Measurement(**row))
    return measurements


def gather(cells: Iterable[tuple[Mapping[str, Any], Path]]) -> "pd.DataFrame":
    """One table of all cells' measurements, sorted by COLUMNS.

    Each cell is a mapping with the keys study, target, mix, seed and generation, and the path of
    a JSON file {"measurements": [...], ...}. Values that could not be computed are missing in the
    table. Raises InputError for a file that cannot be used, ValueError for a cell without one of
    the five keys and for a measurement that occurs twice.
    """
    import pandas as pd

    rows = []
    for cell, path in cells:
        if missing := [key for key in CELL if key not in cell]:
            raise ValueError(f"{path}: the cell has no {', '.join(missing)}.")
        identity = {key: cell[key] for key in CELL}
        # vars and not asdict, which copies deeply: there may be hundreds of thousands
        rows += [identity | vars(measurement) for measurement in _read_measurements(path)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame = frame.astype(
        dict.fromkeys(("study", "target", "mix", "probe", "metric", "item_set", "note"), "str")
        | {"seed": "Int64", "generation": "Int64", "value": "float64", "spread": "float64"}
        | {"n": "int64", "excluded": "int64", "subsamples": "int64"}
    )
    key = [*CELL, "probe", "metric", "item_set"]
    if frame.duplicated(key).any():
        twice = frame.loc[frame.duplicated(key), key].iloc[0]
        raise ValueError(
            "measured twice: " + ", ".join(f"{name} {value}" for name, value in twice.items())
        )
    return frame.sort_values(list(COLUMNS), kind="stable", ignore_index=True)


def last_generation(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of the last generation of each target and mix; all rows where there is no loop."""
    generation = rows["generation"].fillna(0)
    last = generation.groupby([rows["target"], rows["mix"]]).transform("max")
    return rows[generation == last].reset_index(drop=True)


def write_tables(frame: "pd.DataFrame", csv: Path, parquet: Path) -> None:
    """Writes a table as CSV and as Parquet, each whole or not at all.

    The bytes depend only on the table and on the versions of pandas and pyarrow: floats are written
    with the fewest digits that read back to the same number, lines end in LF, missing values are
    empty in the CSV and null in Parquet.
    """
    with whole_file(csv) as beside:
        frame.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    with whole_file(parquet) as beside:
        frame.to_parquet(beside, engine="pyarrow", index=False, compression="zstd")


def _read_measurements(path: Path) -> list[Measurement]:
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Run the probe first.") from None
    if isinstance(content, dict) and "diverged" in content:
        probe = "selection" if "selections" in path.parts else path.stem
        return [Measurement(probe, "diverged", "cell", 1.0, 1, note=str(content["diverged"]))]
    if not isinstance(content, dict) or not isinstance(content.get("measurements"), list):
        raise InputError(f'{path}: expected an object with a list under "measurements".')
    try:
        return from_json(content["measurements"])
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
