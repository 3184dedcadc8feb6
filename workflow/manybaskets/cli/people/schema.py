"""Writes the JSON schema of study configs."""

import argparse
from pathlib import Path

from manybaskets.config import study
from manybaskets.files import write_json

HELP = "Writes the JSON schema that editors complete configs from."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--output", type=Path, default=Path("workflow/schemas/study.json"))


def run(options: argparse.Namespace) -> None:
    """Writes the schema."""
    write_json(options.output, study.schema())
