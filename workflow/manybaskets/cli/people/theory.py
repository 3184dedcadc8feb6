"""Runs a study of theory, or one part of it."""

import argparse
import json
import os
from pathlib import Path

HELP = "Computes closed forms and simulations of verified data and self-consuming loops."
# Many small products: threads of a BLAS would wait for each other. NumPy reads this when it is
# loaded, which is later. What runs beside each other are the parts.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--configfile", type=Path, default="resources/studies/verification.yaml")
    parser.add_argument("--spec", type=json.loads, help="settings of one part, instead of a file")
    parser.add_argument("--part", help="one part; by default all, with their figures")
    parser.add_argument("--table", type=Path, help="draw the figure of a table that is there")
    parser.add_argument("--output", type=Path, required=True, help="a folder, or a part's table")


def run(options: argparse.Namespace) -> None:
    """Writes tables as CSV, and figures as SVG and PNG."""
    from manybaskets.config import validation
    from manybaskets.simulations import theory

    if options.table:
        draw(options.part, options.table, options.output)
    elif options.spec:
        compute(options.part, options.spec["settings"], options.spec["seed"], options.output)
    else:
        study = theory.load(validation.read(options.configfile), str(options.configfile))
        for part in [options.part] if options.part else study.parts():
            path = options.output / f"{part}.csv"
            compute(part, getattr(study.theory, part).model_dump(), study.seed, path)
            draw(part, path, options.output)


def compute(part: str, settings: dict[str, object], seed: int, output: Path) -> None:
    """Writes the table of a part."""
    from manybaskets.files import whole_file
    from manybaskets.simulations import theory

    table = theory.table(part, settings, seed)
    with whole_file(output) as beside:
        table.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    if "inside" in table:
        print(f"{part}: closed form inside the band at {table['inside'].sum()} of {len(table)}")


def draw(part: str, table: Path, folder: Path) -> None:
    """Draws the figure of a part, where it has one."""
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
        named = {"Date": None, "Creator": None, "Title": part}
        figure.savefig(folder / f"{part}.svg", metadata=named)
        figure.savefig(folder / f"{part}.png", dpi=200, metadata={"Software": None})
