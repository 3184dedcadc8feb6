"""Gathers the measurements of all cells into one table and compares the conditions."""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import InputError, read_jsonl, whole_file
from manybaskets.findings import (
    comparison,
    dictionary,
    eggs_tests,
    per_prompt,
    selection_quality,
    training_curves,
    trends,
)
from manybaskets.findings import contrasts as contrast_tables
from manybaskets.metrics import measurement
from manybaskets.stages.findings import FindingsSpec
from manybaskets.study.keys import LOOP, Cell
from manybaskets.study.layout import RANK_SEEDS, reference_table

if TYPE_CHECKING:
    import pandas as pd

HELP = "Gathers the measurements of all cells into one table and computes the contrasts."
TABLES = (
    "contrasts",
    "trends",
    "pooled",
    "training",
    "ranks",
    "comparison",
    "proxies",
    "dictionary",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, FindingsSpec)
    parser.add_argument("--root", type=Path, required=True, help="the study's folder of results")
    parser.add_argument("--output", type=Path, required=True, help="folder of the tables")


def run(options: argparse.Namespace) -> None:
    """Writes the measurements, values of single prompts, all comparisons, and the dictionary."""
    counts = gather(options.spec, options.root, options.output)
    print(", ".join(f"{count} {name}" for name, count in counts.items()))


def gather(spec: FindingsSpec, root: Path, folder: Path, partly: bool = False) -> dict[str, int]:
    """Writes all tables into `folder`; returns the numbers of rows of the main ones.

    With `partly`, missing measurements are left out, and so are contrasts of mixes and trends of
    primary metrics without measurements.
    """
    cell_folders = list(_cells(spec))
    identities = [{"study": spec.study, **cell._asdict()} for cell, _ in cell_folders]
    cells = [(of, root / place) for of, (_, place) in zip(identities, cell_folders, strict=True)]
    probes = spec.probes
    measured = [(cell, place / f"{probe}.json") for cell, place in cells for probe in probes]
    # The measurements of a selection are repeated for every target trained on its rows.
    selections = [_selection(spec, cell) for cell, _ in cell_folders]
    measured += [(of, root / path) for of, path in zip(identities, selections, strict=True) if path]
    if partly:
        measured = [(cell, path) for cell, path in measured if path.is_file()]
    table = measurement.gather(measured)
    of_items = per_prompt.table(cells, table, _test_ids(root))
    outcomes = table[table["probe"] != "selection"]  # those describe a training set
    first = spec.seeds[:RANK_SEEDS]
    last = {mix: generations for mix, (generations, _) in spec.loops.items()}
    shown = [
        (cell, place)
        for cell, place in cells
        if cell["seed"] in first and cell["generation"] == last.get(cell["mix"], 0)
    ]
    comparisons = compared(spec.contrasts, spec.series, probes, outcomes, of_items)
    there = {(cell["target"], cell["mix"]) for cell, _ in cells}
    comparisons["contrasts"] = _of_cells(comparisons["contrasts"], there)
    tables = {
        **comparisons,
        "comparison": published_effects(spec.reference, comparisons["contrasts"]),
        "training": training_curves.training_table(cells),
        "ranks": training_curves.rank_table(shown, root / "data" / "test.jsonl"),
        "proxies": selection_quality.correlations(selection_quality.points(table, spec.unselected)),
        "dictionary": dictionary.table(),
    }
    csv, parquet = (folder / f"measurements.{kind}" for kind in ("csv", "parquet"))
    measurement.write_tables(table, csv, parquet)
    per_prompt.write(folder / "items.parquet", of_items)
    for name in TABLES:
        with whole_file(folder / f"{name}.csv") as beside:
            tables[name].to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    return {"measurements": len(table)} | {
        name: len(tables[name]) for name in ("contrasts", "trends")
    }


def _cells(spec: FindingsSpec) -> Iterator[tuple[Cell, str]]:
    """Yields every cell with its folder; a loop after another mix starts with that mix's cell."""
    only = spec.only  # mixes that only some targets are trained on
    for target, mix, seed in itertools.product(spec.targets, spec.mixes, spec.seeds):
        if target not in only.get(mix, spec.targets):
            continue
        last, after = spec.loops.get(mix, (0, None))
        for generation in range(1, last + 1) if last else (0,):
            cell = Cell(target, mix, seed, generation)
            yield cell, (Cell(target, after, seed) if after and generation == 1 else cell).path


def _selection(spec: FindingsSpec, cell: Cell) -> str | None:
    """Returns the path of the measurements of the selection of a cell's rows, if it has one."""
    if cell.generation > 1:  # the rows that its own chain wrote for it
        before = cell._replace(generation=cell.generation - 1)
        path = f"selections/{LOOP}/{cell.target}/{cell.mix}/seed={before.run}.json"
        return path if cell.mix in spec.selected_loops else None
    return f"selections/{cell.mix}/seed={cell.seed}.json" if cell.mix in spec.selected else None


def compared(
    settings: dict[str, Any],
    series: list[Any],
    probes: list[str],
    table: "pd.DataFrame",
    of_items: per_prompt.Table,
) -> dict[str, "pd.DataFrame"]:
    """Returns contrasts, trends and pooled tests of the measured conditions."""
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
        "contrasts": contrast_tables.contrasts(
            table, pairs, primary, alpha, of_items, settings["margins"]
        ),
        "trends": trends.trends(table, series, primary, alpha),
        "pooled": eggs_tests.pooled_tests(of_items, pairs),
    }


def published_effects(
    reference: dict[str, Any] | None, contrasts: "pd.DataFrame"
) -> "pd.DataFrame":
    """Returns published effects beside the study's; no rows if the study has no reference."""
    import pandas as pd

    if reference is None:
        return pd.DataFrame(columns=list(comparison.EFFECTS))
    published = comparison.read(reference_table(reference["table"]))
    ours = comparison.own(contrasts)
    return comparison.effects(ours, published, reference["targets"], reference["mixes"])


def _of_cells(contrasts: "pd.DataFrame", there: set[tuple[str, str]]) -> "pd.DataFrame":
    """Returns the contrasts of conditions that have cells."""
    columns = ["target", "mix", "against"]
    kept = [
        {(target, mix), (target, against)} <= there
        for target, mix, against in contrasts[columns].itertuples(index=False)
    ]
    return contrasts.loc[kept].reset_index(drop=True)


def _test_ids(root: Path) -> list[str]:
    try:
        return [str(row["id"]) for row in read_jsonl(root / "data" / "test.jsonl", ["id"])]
    except InputError:
        return []
