"""Labels a cell's responses to the requests of the robustness probe with a judge of harm."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_jsonl, restrict, restricted_jsonl
from manybaskets.probes.robustness import judges
from manybaskets.probes.robustness.judge_prompts import texts_of
from manybaskets.serving import sessions
from manybaskets.stages.robustness import JudgeHarmSpec

HELP = "Labels a cell's responses to requests and attacks with a judge model."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, JudgeHarmSpec)
    parser.add_argument("--model", type=Path, nargs="?")
    parser.add_argument("--attacks", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one label per response, readable by the owner only."""
    source = options.spec.source.model_dump()
    rows = read_jsonl(options.attacks, ["id", "request", "item_set", "prompt", "response", "state"])
    given = Path(source["template"]) if source["template"] else None
    texts = texts_of(source["by"], options.model, given)
    direct = {row["request"]: row["prompt"] for row in rows if row["item_set"].endswith("/direct")}
    restrict(options.output.parent)  # before anything is written there
    partial = sessions.partial_path(options.output)
    with sessions.serve_source(source, options.model, options.spec.engine.model_dump()) as client:
        labels = judges.judge(
            client,
            source["by"],
            texts,
            # the request itself, not the prompt of the attack
            [{**row, "prompt": direct.get(row["request"], row["prompt"])} for row in rows],
            source["max_tokens"],
            source["temperature"],
            source["top_p"],
            partial=partial,
            progress="responses",
        )
    restricted_jsonl(options.output, labels)
    states = [label["state"] for label in labels]
    print(", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))))
    partial.unlink(missing_ok=True)
