"""Scores the responses that a mix may keep with the mix's verifier."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import mixes
from manybaskets.files import InputError, read_jsonl, write_jsonl
from manybaskets.selection import rules, verifiers
from manybaskets.selection.verifier import ScoringJob, scored
from manybaskets.serving import sessions
from manybaskets.stages.selection import ScoreSpec

HELP = "Scores every response that a selected mix may keep with the mix's verifier."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, ScoreSpec)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--responses", type=Path, nargs="+", required=True)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one row per response of the pool, with its score."""
    spec = options.spec
    human, prompts = read_jsonl(options.train), read_jsonl(options.prompts)
    if spec.mix is not None:
        recipe = mixes.MixRecipe(dict(spec.mix.origins), spec.mix.assign)
        assigned = mixes.assignment(recipe, spec.rows, spec.seed, human, prompts)
        responses = {
            (path.parent.name, row["id"], row["sample"]): row
            for path in options.responses
            for row in read_jsonl(path)
        }
        pool = rules.pool(assigned, responses, spec.mix.samples, mixes.HUMAN)
    else:  # in a loop every response may be kept
        pool = [row for path in options.responses for row in read_jsonl(path, ["origin"])]
    partial = sessions.partial_path(options.output)
    job = ScoringJob(pool, human, spec.plain(), options.model, partial)
    rows = scored(pool, verifiers.verifier(spec.verifier["by"]).scorer(job))
    unscored = [row for row in rows if row["score"] is None]
    if len(unscored) == len(rows):
        raise InputError(
            f"the verifier has no score for any of {len(rows)} responses; the first: "
            f"{unscored[0]['reason']}. Use another verifier or metric."
        )
    write_jsonl(options.output, rows)
    partial.unlink(missing_ok=True)
    print(f"{len(rows) - len(unscored)} of {len(rows)} responses have a score")
