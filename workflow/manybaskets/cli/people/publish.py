"""Writes a cell's adapter with a model card to a folder, and optionally pushes it to the hub."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import config_arguments
from manybaskets.dag.preflight import study_of
from manybaskets.files import InputError
from manybaskets.reporting import published as cells
from manybaskets.reporting import publishing

HELP = "Writes a cell's adapter with a model card to a folder; --push uploads it to the hub."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "cell", help="results/<study>/cells/<target>/<mix>/seed=N, or <target>/<mix>/<seed>"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="new or empty folder (default: results/<study>/published/<cell>)",
    )
    parser.add_argument("--push", metavar="OWNER/NAME", help="push to this repository of the hub")
    parser.add_argument(
        "--public", action="store_true", help="create the repository as public (default: private)"
    )
    config_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Writes the folder, and prints its path and the URL of the commit."""
    published = cells.of_folder(_folder(options))
    cell = published.cell
    name = f"{published.config.study}-{cell.target}-{cell.mix}-seed{cell.seed}"
    name += f"-generation{cell.generation}" if cell.generation else ""
    output = options.output or published.root / "published" / name
    publishing.publish(published, output, options.push or name)
    print(output)
    if options.push:
        print(publishing.push(output, options.push, private=not options.public))


def _folder(options: argparse.Namespace) -> Path:
    given = Path(options.cell)
    if given.is_dir():
        return given
    parts = options.cell.split("/")
    if len(parts) != 3:
        raise InputError(
            f"{given}: there is no such folder. Name results/<study>/cells/<target>/<mix>/seed=N, "
            "or <target>/<mix>/<seed> of the study in --configfile."
        )
    study = study_of(options.configfile, options.config)
    seed = parts[2].removeprefix("seed=")
    known = [
        cell
        for cell in study.cells
        if [cell.target, cell.mix, str(cell.seed)] == [*parts[:2], seed]
    ]
    if not known:
        raise InputError(f"{given}: the study {study.config.study} has no such cell.")
    return Path(study.path(known[-1].path))  # the last generation of a loop
