"""Downloads a public set of requests and verifies its hash, once for all cells."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import request_sets
from manybaskets.files import restrict, whole_file
from manybaskets.stages.robustness import RequestSetSpec

HELP = "Downloads a public set of requests and verifies its hash."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, RequestSetSpec)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the set unchanged, readable by the owner only."""
    copy = options.spec.copy_file
    content = request_sets.verified_content(options.spec.set, Path(copy) if copy else None)
    restrict(options.output.parent)
    with whole_file(options.output) as beside:
        beside.chmod(0o600)
        beside.write_bytes(content)
