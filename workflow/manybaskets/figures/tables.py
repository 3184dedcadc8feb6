"""The tables that figures draw, read from a study's findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from manybaskets.files import InputError
from manybaskets.metrics.measurement import last_generation

TEXT = (
    *("study", "target", "mix", "against", "probe", "metric", "item_set", "note", "notes"),
    *("verdict", "reason", "direction", "series", "doses", "judge", "test", "basis", "words"),
    *("quantity", "source"),
)
FLAGS = ("decided", "equivalent", "primary", "same_sign", "inside")


@dataclass(frozen=True)
class Findings:
    """The data of all figures. `mixes` in display order, `own` the own origin of each target.

    `values` is the table of measurements, of each target and mix the last generation only, `every`
    that of all generations. The others are the tables of trends, training losses, ranks of words
    and judges, the mixes' origins with their shares, and the seeds of the study; empty where not
    known.
    """

    values: pd.DataFrame
    contrasts: pd.DataFrame
    mixes: list[str]
    own: Mapping[str, str | None]
    every: pd.DataFrame = field(default_factory=pd.DataFrame)
    trends: pd.DataFrame = field(default_factory=pd.DataFrame)
    training: pd.DataFrame = field(default_factory=pd.DataFrame)
    ranks: pd.DataFrame = field(default_factory=pd.DataFrame)
    judges: pd.DataFrame = field(default_factory=pd.DataFrame)
    recipes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    series: Sequence[Any] = ()
    seeds: Sequence[int] = ()
    unselected: Sequence[str] = ()  # mixes of synthetic text alone, all of it kept

    @property
    def targets(self) -> list[str]:
        """The targets that were measured, sorted."""
        return sorted(self.values["target"].unique())

    def of(self, metric: str, item_set: str | None = None) -> pd.DataFrame:
        """The rows of one metric."""
        rows = self.values[self.values["metric"] == metric]
        return rows if item_set is None else rows[rows["item_set"] == item_set]

    def present(self, data: pd.DataFrame) -> list[str]:
        """The mixes in display order, those without a row in `data` included."""
        return list(dict.fromkeys([*self.mixes, *sorted(data["mix"].unique())]))


def findings(
    measurements: pd.DataFrame,
    contrasts: pd.DataFrame,
    mixes: Sequence[str],
    own: Mapping[str, str | None] | None = None,
    **others: Any,
) -> Findings:
    """The tables as figures need them; mixes that are measured but not listed come last.

    `others` are further fields of Findings. Without `own`, an origin with the name of a target is
    the target's own.
    """
    values = last_generation(measurements)
    if len(others.get("training", ())):
        others["training"] = last_generation(others["training"])
    measured = set(values["mix"])
    unlisted = sorted(measured - set(mixes))
    if own is None:
        own = {target: target for target in values["target"].unique()}
    return Findings(values, contrasts, [*mixes, *unlisted], own, every=measurements, **others)


def read_table(path: Path) -> pd.DataFrame:
    """A table of findings from its CSV; raises InputError where there is no such file.

    A mix called "NA" or "nan" keeps its name; missing values are empty numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Run the findings first.")
    frame = pd.read_csv(path, keep_default_na=False, na_values={}, dtype=dict.fromkeys(TEXT, str))
    for column in frame.columns.difference([*TEXT, *FLAGS, "family"]):
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
    if "seed" in frame:
        frame["seed"] = frame["seed"].astype("Int64")
    return frame
