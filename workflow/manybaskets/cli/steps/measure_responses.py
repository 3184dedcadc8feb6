"""Measures a cell's responses with a probe of one file."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_jsonl, write_json
from manybaskets.metrics.measurement import to_json
from manybaskets.probes.probe import probe
from manybaskets.stages.probes import ProbeSpec

HELP = "Measures a cell's responses with a probe of one file."
LOADS = ("probes.of_responses",)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, ProbeSpec)
    parser.add_argument("--responses", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the measurements."""
    responses = read_jsonl(options.responses, ["id", "prompt", "response", "state"])
    test = read_jsonl(options.test, ["response"])
    rows = [{**row, "human": human["response"]} for row, human in zip(responses, test, strict=True)]
    measurements = probe(options.spec.probe).measure(rows, options.spec.settings)
    write_json(options.output, {"measurements": to_json(measurements)})
