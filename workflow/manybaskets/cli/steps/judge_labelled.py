"""Labels responses that people have labelled, to estimate the errors of a judge of harm."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_jsonl, restrict, restricted_jsonl
from manybaskets.probes.robustness import judges
from manybaskets.probes.robustness.judge_prompts import texts_of
from manybaskets.serving import sessions
from manybaskets.stages.robustness import JudgeLabelledSpec

HELP = "Labels the responses that people have labelled with a judge model."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, JudgeLabelledSpec)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one label per row of the file, readable by the owner only."""
    source = options.spec.source.model_dump()
    people = read_jsonl(Path(options.spec.labelled), ["prompt", "response"])
    rows = [{"id": n, **row} for n, row in enumerate(people, start=1)]
    given = Path(source["template"]) if source["template"] else None
    texts = texts_of(source["by"], options.model, given)
    restrict(options.output.parent)  # before anything is written there
    partial = sessions.partial_path(options.output)
    with sessions.serve_source(source, options.model, options.spec.engine.model_dump()) as client:
        labels = judges.judge(
            client,
            source["by"],
            texts,
            rows,
            source["max_tokens"],
            source["temperature"],
            source["top_p"],
            partial=partial,
            progress="labelled responses",
        )
    restricted_jsonl(options.output, labels)
    partial.unlink(missing_ok=True)
