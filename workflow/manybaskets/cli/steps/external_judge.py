"""Runs the pairwise judging task with an external model: one of `models`, or an endpoint's."""

import argparse
from pathlib import Path

from manybaskets.cli.steps import judge_pairs
from manybaskets.serving import sessions
from manybaskets.stages.preference import ExternalJudgeSpec

HELP = "Runs the pairwise judging task with an external model."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--model", type=Path, nargs="?")
    judge_pairs.texts(parser, ExternalJudgeSpec)


def run(options: argparse.Namespace) -> None:
    """Writes judgements in the same format as `judge_pairs`."""
    spec = options.spec
    with sessions.serve_source(
        spec.source.model_dump(), options.model, spec.engine.model_dump()
    ) as client:
        judge_pairs.judge(client, options)
