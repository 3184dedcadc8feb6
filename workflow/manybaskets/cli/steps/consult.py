"""Lets a model that is not a cell judge candidates: one of the study's models, or an endpoint's."""

import argparse
from pathlib import Path

from manybaskets.cli.steps import judge
from manybaskets.serving import sessions

HELP = "Asks a model that is no cell what cells are asked about candidates."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--model", type=Path, nargs="?")
    judge.texts(parser)


def run(options: argparse.Namespace) -> None:
    """Writes the same rows as a cell's."""
    spec = options.spec
    with sessions.serve_source(spec["source"], options.model, spec["engine"]) as client:
        judge.judge(client, options)
