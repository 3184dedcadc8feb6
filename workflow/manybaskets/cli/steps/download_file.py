"""Downloads a file of rows and verifies its hash, once for all jobs that read it."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import remote_files
from manybaskets.stages.data import DownloadFileSpec

HELP = "Downloads a file of rows and verifies its hash."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, DownloadFileSpec)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the file unchanged."""
    remote_files.download(options.spec.url, options.spec.sha256, options.output)
