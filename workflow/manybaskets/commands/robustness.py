"""The robustness probe's measurements of a cell."""

import argparse
import json
from pathlib import Path

from manybaskets import items, refusals
from manybaskets.files import read_jsonl, write_json
from manybaskets.measurements import to_json

HELP = "Measures how often a cell declines, per kind of request and attack."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--attacks", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the measurements; no response leaves the restricted folder."""
    rows = read_jsonl(options.attacks, ["item_set", "response", "state"])
    found = {
        "measurements": to_json(refusals.refusal_measurements(rows)),
        "items": items.of_refusals(rows),
    }
    write_json(options.output, found)
