"""Computes the measures of all judges of a study from their judgements."""

import argparse
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd

from manybaskets.cli.arguments import spec_argument
from manybaskets.config.base import HUMAN
from manybaskets.data import divergence
from manybaskets.files import read_jsonl, whole_file
from manybaskets.probes.preference import measures
from manybaskets.stages.preference import CompareJudgesSpec

HELP = "Computes the measures of every judge, and of all together, from their judgements."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, CompareJudgesSpec)
    parser.add_argument("--root", type=Path, required=True, help="the study's folder of results")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one row per judge and measure, over all seeds; `all` for all judges."""
    files = [options.root / path for path in options.spec.judgements]
    print(f"{compare(files, options.output)} measures of judges")


def compare(files: list[Path], output: Path) -> int:
    """Writes the measures of all judges in files of judgements; returns the number of rows."""
    rows = [
        row
        for path in files
        if divergence.reason(path) is None
        for row in read_jsonl(path)
        if row.get("question", "pair") == "pair"
    ]
    measured = [asdict(finding) for finding in measures.findings(rows, HUMAN)]
    table = pd.DataFrame(measured, columns=[field.name for field in fields(measures.Finding)])
    with whole_file(output) as beside:
        table.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    return len(table)
