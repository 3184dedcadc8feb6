"""Draws the figures of a study from its tables of findings."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.figures import registry
from manybaskets.figures import tables as figure_tables
from manybaskets.files import whole_directory
from manybaskets.stages.findings import FiguresSpec

HELP = "Draws every figure from the tables of findings: SVG, PNG, and its data as CSV."
NEEDED, MORE = ("measurements", "contrasts"), ("trends", "training", "ranks", "judges")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, FiguresSpec)
    for name in (*NEEDED, *MORE):
        parser.add_argument(f"--{name}", type=Path, nargs=None if name in NEEDED else "?")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the folder of figures."""
    given = {name: getattr(options, name) for name in (*NEEDED, *MORE)}
    tables = {name: path for name, path in given.items() if path is not None}
    with whole_directory(options.output) as folder:
        draw(options.spec, tables, folder)


def draw(spec: FiguresSpec, tables: Mapping[str, Path], folder: Path) -> None:
    """Draws every figure of the tables into a folder."""
    findings = figure_tables.findings(
        figure_tables.read_table(tables["measurements"]),
        figure_tables.read_table(tables["contrasts"]),
        spec.mixes,
        spec.own,
        recipes=spec.recipes,
        series=spec.series,
        seeds=spec.seeds,
        **{name: figure_tables.read_table(tables[name]) for name in MORE if name in tables},
        unselected=spec.unselected,
    )
    registry.draw_figures(findings, folder)
