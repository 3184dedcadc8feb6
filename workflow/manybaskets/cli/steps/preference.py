"""Measures the preference probe of a cell from its judgements."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_jsonl, write_json
from manybaskets.findings import per_prompt
from manybaskets.metrics.measurement import to_json
from manybaskets.probes.preference import measures, single_text
from manybaskets.stages.preference import PreferenceSpec

HELP = "Measures preference, self-preference and position bias of a cell from its judgements."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, PreferenceSpec)
    parser.add_argument("--judgements", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the measurements of the cell, and its judgements by item."""
    rows = read_jsonl(options.judgements)
    measurements = measures.preference_measurements(rows, options.spec.own, "human")
    measurements += single_text.question_measurements(rows, options.spec.own, "human")
    of_items = per_prompt.of_judgements(rows, options.spec.own, "human")
    write_json(options.output, {"measurements": to_json(measurements), "items": of_items})
