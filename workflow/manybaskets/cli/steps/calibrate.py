"""Has a judge label the responses that people have labelled, to see how far it is right."""

import argparse
import json
from pathlib import Path

from manybaskets.files import read_jsonl, restrict, restricted_jsonl
from manybaskets.probes.robustness import judges
from manybaskets.probes.robustness.judge_prompts import texts_of
from manybaskets.serving import sessions

HELP = "Has a model judge the responses that people have labelled."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one label per row of the file, readable by the owner only."""
    source = options.spec["source"]
    people = read_jsonl(Path(options.spec["labelled"]), ["prompt", "response"])
    rows = [{"id": n, **row} for n, row in enumerate(people, start=1)]
    given = Path(source["template"]) if source["template"] else None
    texts = texts_of(source["by"], options.model, given)
    restrict(options.output.parent)  # before anything is written there
    partial = sessions.partial_path(options.output)
    with sessions.serve_source(source, options.model, options.spec["engine"]) as client:
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
