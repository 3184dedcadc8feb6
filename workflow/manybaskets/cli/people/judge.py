"""Labels a file of prompts and responses: the judges of the robustness probe without a study."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from manybaskets.files import InputError, read_json, write_text
from manybaskets.probes.robustness import judges, label_file
from manybaskets.probes.robustness.judge_prompts import texts_of
from manybaskets.serving.engine import endpoint, engine
from manybaskets.serving.vllm_args import EngineSettings

USUAL_CONTEXT = 4096  # tokens
HELP = "Labels a file of prompts and responses: refusals, babble, harm; one row out per row in."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("responses", type=Path, help="JSON lines, a JSON array, CSV or TSV")
    parser.add_argument(
        "--by",
        action="append",
        choices=[label_file.REFUSAL, *judges.KINDS],
        help="refusal: rules, no model; the others ask --model. May be given several times",
    )
    parser.add_argument("--prompt", default="prompt", metavar="FIELD", help="where the prompt is")
    parser.add_argument(
        "--response", default="response", metavar="FIELD", help="where the response is"
    )
    parser.add_argument("--model", help="a folder, a hub id (name@revision), or a name there")
    parser.add_argument("--endpoint", help="URL of an OpenAI-compatible server, with /v1")
    parser.add_argument("--api-key-env", help="environment variable that holds the endpoint's key")
    parser.add_argument("--template", type=Path, help="the prompt of a classifier")
    parser.add_argument("--max-tokens", type=int, default=256, help="longest answer of the judge")
    parser.add_argument("--max-model-len", type=int, help="context of the judge, else 4096 or less")
    parser.add_argument(
        "--max-unparsed-rate", type=float, default=0.2, help="share that a judge may leave unjudged"
    )
    parser.add_argument("--label", metavar="FIELD", help="people's labels, to be compared with")
    parser.add_argument(
        "--negative", action="append", default=[], help="a label that means no; all others: yes"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines, whatever came in")
    parser.add_argument("--output", type=Path, help="instead of standard output")


def run(options: argparse.Namespace) -> None:
    """Writes the labels, and on standard error what they come to."""
    rows = label_file.read_rows(options.responses, options.prompt, options.response)
    people = None
    if options.label:
        people = label_file.people_labels(rows, options.label, options.negative)
    labels: dict[str, label_file.Labels] = {}
    for by in dict.fromkeys(options.by or [label_file.REFUSAL]):
        labels[by] = (
            label_file.by_rules(rows) if by == label_file.REFUSAL else _by_model(by, rows, options)
        )
    is_table = options.responses.suffix.lower() in (".csv", ".tsv")
    text = label_file.written(labels, options.json or not is_table)
    if options.output:
        write_text(options.output, text)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    print(json.dumps(label_file.summary(labels, people), indent=1), file=sys.stderr)
    for by, of_judge in labels.items():
        _complain(by, of_judge, options.max_unparsed_rate)


def _by_model(
    by: str, rows: list[dict[str, Any]], options: argparse.Namespace
) -> label_file.Labels:
    if not options.model:
        raise InputError(f"--by {by} asks a model: name it with --model.")
    folder = Path(options.model) if Path(options.model).is_dir() else None
    texts = texts_of(by, folder, options.template)
    if options.endpoint:
        asked = endpoint(options.endpoint, options.model, options.api_key_env)
    else:
        context = options.max_model_len or _context(folder)
        settings = EngineSettings(max_model_len=context, max_loras=0)
        asked = engine(folder.resolve() if folder else options.model, settings)
    with asked as client:
        return judges.judge(client, by, texts, rows, options.max_tokens, progress=by)


def _context(folder: Path | None) -> int:
    """As much of the usual context as a model in a folder has."""
    if folder is None or not (folder / "config.json").is_file():
        return USUAL_CONTEXT
    known = read_json(folder / "config.json").get("max_position_embeddings") or USUAL_CONTEXT
    return min(USUAL_CONTEXT, int(known))


def _complain(by: str, labels: label_file.Labels, most: float) -> None:
    asked = [label for label in labels if label["state"] != "not_answered"]
    without = [label for label in asked if label["state"] != "ok"]
    if asked and len(without) > most * len(asked):
        raise InputError(
            f"the judge '{by}' gave no verdict on {len(without)} of {len(asked)} responses (the "
            f"limit is {most:.0%}, --max-unparsed-rate); the first: {without[0]['state']}: "
            f"{without[0]['reason']}. Its other labels are written."
        )
