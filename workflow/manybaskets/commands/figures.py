"""Draws the figures of a study from its tables."""

import argparse
import json
from pathlib import Path

from manybaskets import figures
from manybaskets.files import whole_directory

HELP = "Draws every figure as SVG and PNG, with the data it shows as CSV."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--measurements", type=Path, required=True)
    parser.add_argument("--contrasts", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the folder of figures."""
    spec = options.spec
    found = figures.findings(
        figures.read_table(options.measurements),
        figures.read_table(options.contrasts),
        spec["mixes"],
        spec.get("own"),
        spec.get("unselected", ()),
    )
    with whole_directory(options.output) as folder:
        figures.draw_figures(found, folder)
