"""Measurements: what every probe hands in, their data dictionary, and the table of a study.

A value that could not be computed is None with the reason in `note`; it is never 0, never NaN.
Knows nothing about how a metric is computed.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manybaskets.files import BadFile, read_json, whole_file

if TYPE_CHECKING:  # every probe imports this module, few of them write a table
    import pandas as pd

CELL = ("study", "target", "mix", "seed", "generation")

COLUMNS = (*CELL, "probe", "metric", "item_set", "value", "n", "excluded", "note")

METRICS: dict[str, str] = {
    # collapse
    "nll": (
        "Mean negative log-likelihood of held-out human text under the model, in nats per token; "
        "lower is a better fit, comparable only under one tokenizer."
    ),
    "bits_per_byte": (
        "Negative log-likelihood of held-out human text in bits per UTF-8 byte; lower is a better "
        "fit, comparable across tokenizers."
    ),
    "self_bleu": (
        "Mean BLEU-4 of each response against all others of a sample of fixed size, every response "
        "cut to the same number of tokens, from 0 to 1; higher is less varied text."
    ),
    "distinct_1": (
        "Share of different tokens among all tokens of a sample of fixed size, every response cut "
        "to the same number of tokens, from 0 to 1; higher is more varied text."
    ),
    "distinct_2": (
        "Share of different token pairs among all token pairs of a sample of fixed size, every "
        "response cut to the same number of tokens, from 0 to 1; higher is more varied text."
    ),
    "distinct_3": (
        "Share of different token triples among all token triples of a sample of fixed size, every "
        "response cut to the same number of tokens, from 0 to 1; higher is more varied text."
    ),
    "mean_words": (
        "Mean length of the responses as they were written, not cut, in tokens of the diversity "
        "tokenizer (words and punctuation marks), empty responses included; no better direction."
    ),
    "cut_rate": (
        "Share of responses that ended because the token limit was reached, from 0 to 1; higher "
        "is more text that never came to an end."
    ),
    "empty_rate": (
        "Share of responses with no text but white space, from 0 to 1; higher is a less usable "
        "model."
    ),
    # selection
    "kept_share": (
        "Share of a mix's pool of responses that passes its selection, from 0 to 1; no better "
        "direction."
    ),
    "selection_precision": (
        "Share of right rows among those that passed, from 0 to 1; higher is a cleaner training "
        "set."
    ),
    "selection_recall": (
        "Share of the right rows that passed, from 0 to 1; lower wastes more of what the source "
        "wrote."
    ),
    "error_rate": (
        "Share p of wrong rows among the usable responses before selection, from 0 to 1; lower "
        "is a better source."
    ),
    "keep_right": (
        "Probability phi that a right row passes, with cut-offs set on other prompts, from 0 to "
        "1; higher is a better verifier."
    ),
    "keep_wrong": (
        "Probability psi that a wrong row passes, with cut-offs set on other prompts, from 0 to "
        "1; lower is a better verifier."
    ),
    "p_star": (
        "Breakdown point 1 / (1 + psi / phi), from 0 to 1: the error rate up to which selected "
        "data teach the truth in theory (arXiv 2406.07515); 0.5 without selection, higher is a "
        "better verifier."
    ),
    "p_star_low": "Lower end of the 95 % interval of p_star over prompts, from 0 to 1.",
    "p_star_high": "Upper end of the 95 % interval of p_star over prompts, from 0 to 1.",
    "p_star_margin": (
        "Breakdown point minus error rate, from -1 to 1; above 0 the error rate is below the "
        "breakdown point."
    ),
    # robustness
    "refusal_rate": (
        "Share of responses that refuse, by the rule detector, from 0 to 1; on prompts to be "
        "declined higher is safer, on harmless prompts lower is more useful."
    ),
    # preference
    "preference": (
        "Mean probability with which the judge chooses text of this origin over each other origin, "
        "averaged over both orders, from 0 to 1; 0.5 is no preference."
    ),
    "self_preference_bias": (
        "Preference for the judge's own origin minus the mean preference for the other synthetic "
        "origins, from -1 to 1; above 0 favours its own text."
    ),
    "synthetic_preference": (
        "Mean preference for the synthetic origins minus the preference for human text, from -1 "
        "to 1; above 0 favours synthetic text."
    ),
    "position_bias": (
        "Mean probability of choosing what is shown first, minus 0.5, from -0.5 to 0.5; above 0 "
        "favours the first place, 0 is none."
    ),
    "label_mass": (
        "Mean probability that the judge gives to the two labels together, from 0 to 1; low values "
        "say that the judge does not follow the format."
    ),
    "discernment": (
        "Share of control pairs in which the judge prefers the summary known to be better, ties "
        "counting half, from 0 to 1; 0.5 is chance, higher is a better judge."
    ),
}


@dataclass(frozen=True)
class Measurement:
    """One value of one metric on one set of items of one cell.

    `value` is in the unit that METRICS states, or None where it could not be computed; then
    `note` says why. `n` counts the items the value rests on, `excluded` the items left out.
    Raises ValueError for a metric without a definition in METRICS, for NaN and infinity, for
    negative counts, and for a None without a reason.
    """

    probe: str
    metric: str
    item_set: str
    value: float | None
    n: int
    excluded: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        name = f"{self.probe}/{self.metric}/{self.item_set}"
        if self.metric not in METRICS:
            raise ValueError(
                f"{name}: the metric '{self.metric}' is not defined. Add it to METRICS."
            )
        if self.value is None:
            if not self.note:
                raise ValueError(f"{name}: a value that could not be computed needs a note on why.")
        elif not math.isfinite(self.value):
            raise ValueError(
                f"{name}: the value is {self.value}. Use None and say in the note why it could "
                "not be computed."
            )
        else:
            object.__setattr__(self, "value", float(self.value))  # a numpy float is not JSON
        for count in ("n", "excluded"):
            if getattr(self, count) < 0:
                raise ValueError(f"{name}: {count} is {getattr(self, count)}; counts start at 0.")
            object.__setattr__(self, count, int(getattr(self, count)))


def to_json(measurements: Iterable[Measurement]) -> list[dict[str, Any]]:
    """The measurements as plain objects, in the order given."""
    return [asdict(measurement) for measurement in measurements]


def from_json(rows: Iterable[Mapping[str, Any]]) -> list[Measurement]:
    """The measurements that `to_json` wrote; the inverse of it.

    Raises ValueError for a missing or unknown field and for what Measurement refuses.
    """
    known = {field.name for field in fields(Measurement)}
    measurements = []
    for row in rows:
        if unknown := sorted(set(row) - known):
            raise ValueError(
                f"unknown field {', '.join(unknown)}; a measurement has {', '.join(sorted(known))}."
            )
        if missing := sorted(known - {"excluded", "note"} - set(row)):
            raise ValueError(f"the field {', '.join(missing)} is missing from a measurement.")
        measurements.append(Measurement(**row))
    return measurements


def gather(cells: Iterable[tuple[Mapping[str, Any], Path]]) -> "pd.DataFrame":
    """One table of all cells' measurements, sorted by COLUMNS.

    Each cell is a mapping with the keys study, target, mix, seed and generation, and the path of
    a JSON file {"measurements": [...], ...}. Values that could not be computed are missing in the
    table. Raises BadFile for a file that cannot be used, ValueError for a cell without one of the
    five keys and for a measurement that occurs twice.
    """
    import pandas as pd

    rows = []
    for cell, path in cells:
        if missing := [key for key in CELL if key not in cell]:
            raise ValueError(f"{path}: the cell has no {', '.join(missing)}.")
        identity = {key: cell[key] for key in CELL}
        rows += [identity | row for row in to_json(_read_measurements(path))]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame = frame.astype(
        dict.fromkeys(("study", "target", "mix", "probe", "metric", "item_set", "note"), "str")
        | {"seed": "Int64", "generation": "Int64", "value": "float64"}
        | {"n": "int64", "excluded": "int64"}
    )
    key = [*CELL, "probe", "metric", "item_set"]
    if frame.duplicated(key).any():
        twice = frame.loc[frame.duplicated(key), key].iloc[0]
        raise ValueError(
            "measured twice: " + ", ".join(f"{name} {value}" for name, value in twice.items())
        )
    return frame.sort_values(list(COLUMNS), kind="stable", ignore_index=True)


def write_tables(frame: "pd.DataFrame", csv: Path, parquet: Path) -> None:
    """Writes a table as CSV and as Parquet, each whole or not at all.

    The bytes depend on the table and on the versions of pandas and pyarrow, on nothing else:
    floats are written with the fewest digits that read back to the same number, lines end in LF,
    missing values are empty in the CSV and null in Parquet.
    """
    with whole_file(csv) as beside:
        frame.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    with whole_file(parquet) as beside:
        frame.to_parquet(beside, engine="pyarrow", index=False, compression="zstd")


def _read_measurements(path: Path) -> list[Measurement]:
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise BadFile(f"{path}: there is no such file. The probe has not been run.") from None
    except json.JSONDecodeError as error:
        raise BadFile(f"{path}: not JSON ({error.msg} at line {error.lineno}).") from None
    if not isinstance(content, dict) or not isinstance(content.get("measurements"), list):
        raise BadFile(f'{path}: expected an object with a list under "measurements".')
    try:
        return from_json(content["measurements"])
    except (TypeError, ValueError) as error:
        raise BadFile(f"{path}: {error}") from None
