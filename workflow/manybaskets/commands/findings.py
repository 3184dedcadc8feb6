"""Gathers every cell's measurements and compares conditions."""

import argparse
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manybaskets import breakdown, curves, items, measurements, pooled, statistics, trends
from manybaskets.files import BadFile, read_jsonl, whole_file
from manybaskets.layout import RANK_SEEDS

if TYPE_CHECKING:
    import pandas as pd

HELP = "Gathers all measurements into one table and computes the contrasts."
TABLES = ("contrasts", "trends", "pooled", "training", "ranks", "proxies", "dictionary")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--root", type=Path, required=True, help="the study's folder of results")
    parser.add_argument("--output", type=Path, required=True, help="folder of the tables")


def run(options: argparse.Namespace) -> None:
    """Writes the measurements, values of single prompts, all comparisons, and the dictionary."""
    counts = gather(options.spec, options.root, options.output)
    print(", ".join(f"{count} {name}" for name, count in counts.items()))


def gather(spec: dict[str, Any], root: Path, folder: Path, partly: bool = False) -> dict[str, int]:
    """Writes all tables into `folder`; returns how many rows some of them have.

    With `partly`, measurements that are not there yet are left out, and so are contrasts of mixes
    and trends of primary metrics that nothing was measured of.
    """
    cells = [
        (
            {"study": spec["study"], "target": t, "mix": m, "seed": s, "generation": 0},
            root / "cells" / t / m / f"seed={s}",
        )
        for t, m, s in itertools.product(spec["targets"], spec["mixes"], spec["seeds"])
    ]
    probes = spec["probes"]
    measured = [(cell, place / f"{probe}.json") for cell, place in cells for probe in probes]
    # What a selection did to a training set stands with every target that was trained on it.
    measured += [
        (cell, root / "selections" / cell["mix"] / f"seed={cell['seed']}.json")
        for cell, _ in cells
        if cell["mix"] in spec.get("selected", ())
    ]
    if partly:
        measured = [(cell, path) for cell, path in measured if path.is_file()]
    table = measurements.gather(measured)
    of_items = items.table(cells, table, _test_ids(root))
    outcomes = table[table["probe"] != "selection"]  # a training set's own: nothing to compare
    first = spec["seeds"][:RANK_SEEDS]
    shown = [(cell, place) for cell, place in cells if cell["seed"] in first]
    tables = {
        **compared(spec["contrasts"], spec["series"], probes, outcomes, of_items),
        "training": curves.training_table(cells),
        "ranks": curves.rank_table(shown, root / "data" / "test.jsonl"),
        "proxies": breakdown.correlations(breakdown.points(table, spec.get("unselected", ()))),
        "dictionary": dictionary(),
    }
    csv, parquet = (folder / f"measurements.{kind}" for kind in ("csv", "parquet"))
    measurements.write_tables(table, csv, parquet)
    items.write(folder / "items.parquet", of_items)
    for name in TABLES:
        with whole_file(folder / f"{name}.csv") as beside:
            tables[name].to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    return {"measurements": len(table)} | {
        name: len(tables[name]) for name in ("contrasts", "trends")
    }


def compared(
    settings: dict[str, Any],
    series: list[Any],
    probes: list[str],
    table: "pd.DataFrame",
    of_items: items.Table,
) -> dict[str, "pd.DataFrame"]:
    """Contrasts, trends and pooled tests, of what was measured."""
    mixes = set(table["mix"])
    pairs = [(mix, against) for mix, against in settings["pairs"] if {mix, against} <= mixes]
    if len(table) and len(pairs) < len(settings["pairs"]):
        print(f"{len(settings['pairs']) - len(pairs)} pairs have a mix that was not measured")
    primary: dict[str, tuple[str, str]] = {}
    for probe, named in settings["primary"].items():
        metric, _, item_set = named.partition("@")
        if probe in probes:
            primary[probe] = (metric, item_set)
    alpha = settings["alpha"]
    return {
        "contrasts": statistics.contrasts(
            table, pairs, primary, alpha, of_items, settings["margins"]
        ),
        "trends": trends.trends(table, series, primary, alpha),
        "pooled": pooled.pooled_tests(of_items, pairs),
    }


def dictionary() -> "pd.DataFrame":
    """What every metric is, then what every column of the tables is."""
    import pandas as pd

    rows = [("metric", name, text) for name, text in sorted(measurements.METRICS.items())]
    rows += [("column", name, text) for name, text in measurements.COLUMN_MEANINGS.items()]
    return pd.DataFrame(rows, columns=["kind", "name", "definition"])


def _test_ids(root: Path) -> list[str]:
    try:
        return [str(row["id"]) for row in read_jsonl(root / "data" / "test.jsonl", ["id"])]
    except BadFile:
        return []
