"""Collects the docstrings of installed packages and splits them by module."""

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import docstrings
from manybaskets.files import write_jsonl
from manybaskets.stages.data import DocstringsSpec

HELP = "Collects the docstrings of installed packages and splits them by module."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, DocstringsSpec)
    parser.add_argument("--threads", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one row per documented function or class."""
    spec = options.spec
    packages, words = list(spec.packages), tuple(spec.words)
    with ProcessPoolExecutor(options.threads) as pool:
        by_package = list(pool.map(docstrings.documented_in, packages, [words] * len(packages)))
    rows = docstrings.split_by_module(
        docstrings.without_duplicates(row for package in by_package for row in package),
        {"test": spec.test_share, "train": spec.train_share},
        spec.seed,
    )
    write_jsonl(options.output, docstrings.as_rows(rows))
    print(f"{len(rows)} documented functions and classes of {len(packages)} packages")
