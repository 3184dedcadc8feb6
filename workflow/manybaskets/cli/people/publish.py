"""A cell's adapter with a model card, as a folder, and on the hub when asked."""

import argparse
from pathlib import Path

from manybaskets.dag.preflight import study_of
from manybaskets.files import InputError, whole_directory
from manybaskets.reporting import published as cells
from manybaskets.reporting import publishing

HELP = "Writes a cell's adapter with a model card to a folder; pushes it to the hub when asked."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "cell", help="results/<study>/cells/<target>/<mix>/seed=N, or <target>/<mix>/<seed>"
    )
    parser.add_argument("--output", type=Path, help="the folder; by default published/… below it")
    parser.add_argument("--push", metavar="OWNER/NAME", help="a repository of the hub")
    parser.add_argument(
        "--public", action="store_true", help="a repository made now is not private"
    )
    parser.add_argument("--configfile", action="append", default=[], help="may be repeated")
    parser.add_argument("--config", action="append", default=[], metavar="KEY=VALUE")


def run(options: argparse.Namespace) -> None:
    """Writes the folder and prints where it, or the commit, is."""
    published = cells.of_folder(_folder(options))
    cell = published.cell
    name = f"{published.config.study}-{cell.target}-{cell.mix}-seed{cell.seed}"
    name += f"-generation{cell.generation}" if cell.generation else ""
    output = options.output or published.root / "published" / name
    with whole_directory(output) as folder:
        publishing.write(published, folder, options.push or name)
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
    return Path(study.path(known[-1].path))  # of a loop the last generation
