"""Measures how a verifier changes the responses of a mix, from its scores."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_jsonl, write_json
from manybaskets.metrics.measurement import to_json
from manybaskets.metrics.rouge import agreement
from manybaskets.seeds import derived_seed
from manybaskets.selection import rules, verifier_quality
from manybaskets.stages.selection import SelectSpec

HELP = "Measures how often a mix's selection kept right and wrong responses."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, SelectSpec)
    parser.add_argument("--verdicts", type=Path, required=True)
    parser.add_argument(
        "--like", type=Path, nargs="?", help="scores of the mix whose keep rate is matched"
    )
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the measurements."""
    spec = options.spec
    select = spec.select.model_dump()
    follows = spec.like.plain() if spec.like else None
    verifier = select["verifier"]
    like = read_jsonl(options.like) if options.like else []
    rule = rules.Rule.of_verdicts(select, follows, like, spec.seed)
    rows = rules.decide(
        read_jsonl(options.verdicts), spec.accepts_from, verifier["noise"], spec.seed
    )
    references = {row["id"]: row["response"] for row in read_jsonl(options.train)}
    agreements = [
        agreement(verifier["metric"], references[row["id"]], row["response"])
        if row["id"] in references
        else None
        for row in rows
    ]
    measurements = verifier_quality.measured(
        rows,
        rules.passes(rule, rows, spec.seed),
        rules.passes_held_out(rule, rows, spec.seed),
        agreements,
        verifier["metric"],
        derived_seed(spec.seed, "interval of p*"),
    )
    write_json(options.output, {"measurements": to_json(measurements)})
