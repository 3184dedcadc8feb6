"""The collapse probe's measurements of a cell."""

import argparse
import json
from pathlib import Path

from manybaskets import diversity
from manybaskets.files import read_json, read_jsonl, write_json
from manybaskets.measurements import Measurement, to_json
from manybaskets.seeds import derived_seed

HELP = "Measures fit to human text and variety of a cell's responses."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--likelihood", type=Path, required=True)
    parser.add_argument("--responses", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the measurements."""
    settings = options.spec["collapse"]
    likelihood = read_json(options.likelihood)
    rows = read_jsonl(options.responses, ["response", "state"])
    answered = [row for row in rows if row["state"] in ("ok", "cut", "empty")]
    failed = len(rows) - len(answered)
    scored, left_out = len(likelihood["tokens"]), len(likelihood["excluded"])
    cut = sum(row["state"] == "cut" for row in answered)
    found = [
        Measurement("collapse", "nll", "test", likelihood["nats_per_token"], scored, left_out),
        Measurement(
            "collapse", "bits_per_byte", "test", likelihood["bits_per_byte"], scored, left_out
        ),
        Measurement(
            "collapse",
            "cut_rate",
            "test",
            cut / len(answered) if answered else None,
            len(answered),
            failed,
            "" if answered else "no response was generated",
        ),
        *diversity.text_diversity(
            [row["response"] for row in answered],
            settings["documents"],
            settings["tokens"],
            settings["subsamples"],
            derived_seed(options.spec["seed"], "diversity"),
        ),
    ]
    write_json(options.output, {"measurements": to_json(found)})
