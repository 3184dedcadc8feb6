"""Contrasts of the conditions in any table of measurements, without a study."""

import argparse
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manybaskets.data.tables.formats import FORMATS, Table, open_table
from manybaskets.data.tables.values import kind_of, text_of
from manybaskets.files import InputError

if TYPE_CHECKING:
    import pandas as pd

HELP = "Compares conditions over seeds in any table of measurements, without a study."
NAMED = {"target": "all", "probe": "measured", "metric": "value", "item_set": "all"}
UNDEFINED = ("", "na", "nan")  # values that a program writes where there is none


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("table", type=Path, help=f"one row per condition and seed: {FORMATS}")
    parser.add_argument("--of", required=True, help="column that names the condition")
    parser.add_argument("--over", required=True, help="column that names the replication (seed)")
    parser.add_argument(
        "--within",
        help="column that names the prompt, if there is a row per prompt; seeds remain the unit of "
        "replication, and an interval over seeds and prompts is added",
    )
    parser.add_argument(
        "--value", default="value", help="column of the values (default: %(default)s)"
    )
    parser.add_argument("--against", help="compare with this condition only (default: all pairs)")
    parser.add_argument("--primary", help="the preregistered metric: METRIC[@ITEM SET]")
    parser.add_argument("--margin", type=float, help="also test equivalence within ± this margin")
    parser.add_argument(
        "--alpha", type=float, default=0.05, help="significance level (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Prints the contrasts."""
    contrasts = contrast(options)
    if options.json:
        print(json.dumps(json.loads(contrasts.to_json(orient="records")), indent=1))
        return
    for row in contrasts.to_dict("records"):
        print(f"- {row['verdict']}")
    decided = int(contrasts["decided"].sum())
    print(
        f"{decided} of {len(contrasts)} contrasts decided at {options.alpha:g}, over "
        f"{options.over}s."
    )


def contrast(options: argparse.Namespace) -> "pd.DataFrame":
    """Returns the table of contrasts.

    The columns target, probe, metric, item_set and generation of the table are used if present.
    Raises InputError for columns, conditions or values that are missing or ambiguous.
    """
    from manybaskets.findings import contrasts, per_prompt

    rows = _rows(options)
    of_items = None
    if options.within:
        try:
            of_items = per_prompt.from_rows(rows, options.within)
        except ValueError as error:
            raise InputError(f"{options.table}: {error}") from None
        rows = rows.groupby([*per_prompt.COLUMNS, "study"], sort=False, as_index=False)[
            "value"
        ].mean()
    identity = ["target", "mix", "seed", "probe", "metric", "item_set", "generation"]
    if rows.duplicated(identity).any():
        twice = rows.loc[rows.duplicated(identity), ["mix", "seed", "metric"]].iloc[0]
        raise InputError(
            f"{options.table}: {options.of} {twice['mix']} has several rows for one "
            f"{options.over}. Name the column that distinguishes them with --within."
        )
    conditions = list(dict.fromkeys(rows["mix"]))
    if options.against is not None and options.against not in conditions:
        raise InputError(
            f"--against {options.against}: the column {options.of} does not contain it. Use one of "
            f"{', '.join(conditions)}."
        )
    pairs = [
        (mix, against)
        for against, mix in itertools.combinations(conditions, 2)
        if options.against is None
    ] or [(mix, options.against) for mix in conditions if mix != options.against]
    metrics = list(dict.fromkeys(rows[["probe", "metric", "item_set"]].itertuples(index=False)))
    margins = {}
    if options.margin is not None:
        margins = {f"{metric}@{item_set}": options.margin for _, metric, item_set in metrics}
    try:
        return contrasts.contrasts(
            rows, pairs, _primary(options, metrics), options.alpha, of_items, margins
        )
    except ValueError as error:
        raise InputError(f"{options.table}: {error}") from None


def _rows(options: argparse.Namespace) -> "pd.DataFrame":
    """Returns the rows of the table with the columns of measurements."""
    import pandas as pd

    frame, table, numbers = _frame(options.table)
    used = [options.of, options.over, options.value, *filter(None, [options.within])]
    if missing := [name for name in used if name not in frame]:
        raise InputError(
            f"{options.table}: there is no column {', '.join(missing)}. The columns are "
            f"{', '.join(frame.columns)}."
        )
    values = pd.to_numeric(frame[options.value], errors="coerce")
    bad = values.isna() & ~frame[options.value].str.strip().str.lower().isin(UNDEFINED)
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise InputError(
            f"{table.where(numbers[row])}: '{frame[options.value].iloc[row][:40]}' in the column "
            f"{options.value} is not a number. Correct it, or leave it empty."
        )
    for name in (options.of, options.over, *filter(None, [options.within])):
        if (blank := frame[name].str.strip() == "").any():
            raise InputError(
                f"{table.where(numbers[int(blank.to_numpy().argmax())])}: the column {name} is "
                "empty. Complete the row, or remove it."
            )
    seeds = frame[options.over]
    columns: dict[str, Any] = {
        name: frame[name] if name in frame and name != options.of else constant
        for name, constant in NAMED.items()
    }
    if "metric" not in frame:
        columns["metric"] = options.value
    generation = pd.to_numeric(frame["generation"], errors="coerce") if "generation" in frame else 0
    rows = pd.DataFrame(
        {
            **columns,
            "study": "table",
            "mix": frame[options.of],
            "seed": pd.factorize(seeds)[0],
            "generation": generation,
            "value": values.where(values.abs() != float("inf")),
        }
    )
    if options.within:
        rows[options.within] = frame[options.within].to_numpy()
    return rows


def _frame(path: Path) -> "tuple[pd.DataFrame, Table, list[int]]":
    """Returns a table of any format with every value as a text, and the number of each row."""
    import pandas as pd

    table = open_table(path)
    rows = list(table.rows())
    frame = pd.DataFrame(
        [{name: _cell(v, f"{table.where(number)}, {name}") for name, v in fields.items()}
         for number, fields in rows]
    ).fillna("")  # fmt: skip
    return frame, table, [row.number for row in rows]


def _cell(value: Any, where: str) -> str:
    """Returns a number or a text as a text, "" for a missing value; raises InputError for others.

    Digits of numbers are those that the file had to have for this value.
    """
    if kind_of(value) in ("null", "NaN"):
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    return text_of(value, where)


def _primary(options: argparse.Namespace, metrics: list[Any]) -> dict[str, tuple[str, str]]:
    """Returns the primary metric and item set by probe; a single metric is primary by default."""
    if options.primary is None:
        return {metrics[0][0]: (metrics[0][1], metrics[0][2])} if len(metrics) == 1 else {}
    name, _, item_set = options.primary.partition("@")
    matches = [m for m in metrics if m[1] == name and item_set in ("", m[2])]
    if not matches:
        known = ", ".join(f"{metric}@{item_set}" for _, metric, item_set in metrics)
        raise InputError(
            f"--primary {options.primary}: the table does not contain it. Use one of {known}."
        )
    probe, metric, item_set = matches[0]
    return {probe: (metric, item_set)}
