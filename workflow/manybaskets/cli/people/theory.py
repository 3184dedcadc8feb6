"""Runs a theory study, or one part of it."""

import argparse
import json
import os
from pathlib import Path

HELP = "Computes closed forms and simulations of verified data and self-consuming loops."
# The matrices are small, so that BLAS threads would only wait for each other; the parts of a study
# run in parallel instead. NumPy reads these variables when it is imported, after this module.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--configfile",
        type=Path,
        default="resources/studies/verification.yaml",
        help="config of the study (default: %(default)s)",
    )
    parser.add_argument("--spec", type=json.loads, help="settings of one part, as JSON")
    parser.add_argument("--part", help="one part; default: all parts of the study")
    parser.add_argument(
        "--table", type=Path, help="CSV of the part, to draw its figure without computing it"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder for tables and figures; with --spec, the CSV of the part",
    )


def run(options: argparse.Namespace) -> None:
    """Writes tables as CSV and figures as SVG and PNG."""
    from manybaskets.config import yaml_files
    from manybaskets.simulations import theory

    if options.table:
        draw(options.part, options.table, options.output)
    elif options.spec:
        compute(options.part, options.spec["settings"], options.spec["seed"], options.output)
    else:
        study = theory.load(yaml_files.read(options.configfile), str(options.configfile))
        for part in [options.part] if options.part else study.parts():
            path = options.output / f"{part}.csv"
            compute(part, getattr(study.theory, part).model_dump(), study.seed, path)
            draw(part, path, options.output)


def compute(part: str, settings: dict[str, object], seed: int, output: Path) -> None:
    """Writes the table of a part."""
    from manybaskets.files import file_for_person
    from manybaskets.simulations import theory

    table = theory.table(part, settings, seed)
    with file_for_person(output) as beside:
        table.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    if "inside" in table:
        inside, points = table["inside"].sum(), len(table)
        print(f"{part}: the closed form is inside the 95 % band at {inside} of {points} points")


def draw(part: str, table: Path, folder: Path) -> None:
    """Draws the figure of a part as SVG and PNG; not every part has one."""
    import matplotlib as mpl
    import pandas as pd

    from manybaskets.figures import style
    from manybaskets.simulations import theory_figures

    if part not in theory_figures.FIGURES:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(style.STYLE):
        figure = theory_figures.FIGURES[part](pd.read_csv(table))
        style.freeze(figure)
        metadata = {"Date": None, "Creator": None, "Title": part}
        figure.savefig(folder / f"{part}.svg", metadata=metadata)
        figure.savefig(folder / f"{part}.png", dpi=200, metadata={"Software": None})
