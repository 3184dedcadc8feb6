"""The preference probe's measurements of a cell."""

import argparse
import json
from pathlib import Path

from manybaskets import items, preference
from manybaskets.files import read_jsonl, write_json
from manybaskets.measurements import to_json

HELP = "Measures preferences, self-preference and position bias of a cell as a judge."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--judgements", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the measurements."""
    rows = read_jsonl(options.judgements)
    own = options.spec["own"] or "no source of this study"
    found = preference.preference_measurements(rows, own, "human")
    of_items = items.of_judgements(rows, own, "human")
    write_json(options.output, {"measurements": to_json(found), "items": of_items})
