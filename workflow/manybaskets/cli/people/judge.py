"""Labels a file of prompts and responses with the judges of the robustness probe."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from manybaskets.config.pins import is_commit
from manybaskets.data.evaluations.answers import Fields, read_answers
from manybaskets.data.tables.delimited import DELIMITERS
from manybaskets.data.tables.formats import FORMATS
from manybaskets.files import InputError, read_json, write_for_person
from manybaskets.probes.robustness import judges, label_file
from manybaskets.probes.robustness.judge_prompts import texts_of
from manybaskets.serving.engine import endpoint, engine
from manybaskets.serving.vllm_args import EngineSettings

USUAL_CONTEXT = 4096  # tokens
RECOGNISED = "default: recognised by its name"
HELP = "Labels prompts and responses as refusal, degenerate or harmful, one label per row."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("responses", type=Path, help=f"file of responses: {FORMATS}")
    parser.add_argument(
        "--by",
        action="append",
        choices=[*label_file.DETECTORS, *judges.KINDS],
        help="judge (repeatable): refusal is the learned detector, refusal-rules the rules on the "
        "wording; the others use --model (default: refusal)",
    )
    parser.add_argument("--prompt", metavar="FIELD", help=f"field of the prompt ({RECOGNISED})")
    parser.add_argument("--response", metavar="FIELD", help=f"field of the response ({RECOGNISED})")
    parser.add_argument(
        "--context", metavar="FIELD", help="field of a text that precedes the prompt, with --prompt"
    )
    parser.add_argument(
        "--model", help="judge model: a folder, a hub id (name@commit), or a name at --endpoint"
    )
    parser.add_argument("--endpoint", help="URL of an OpenAI-compatible server, including /v1")
    parser.add_argument("--api-key-env", help="environment variable with the endpoint's key")
    parser.add_argument("--template", type=Path, help="file with the prompt of a classifier")
    parser.add_argument(
        "--max-tokens", type=int, default=256, help="maximum tokens of an answer (%(default)s)"
    )
    parser.add_argument(
        "--max-model-len",
        type=int,
        help=f"context of the judge in tokens (default: the model's, at most {USUAL_CONTEXT})",
    )
    parser.add_argument(
        "--max-unparsed-rate", type=float, default=0.2, help="share that a judge may leave unjudged"
    )
    parser.add_argument("--label", metavar="FIELD", help="field of human labels, to compare with")
    parser.add_argument(
        "--negative",
        action="append",
        default=[],
        help="human labels that mean no (repeatable, or with commas); others mean yes",
    )
    parser.add_argument(
        "--positive",
        action="append",
        default=[],
        help="human labels that mean yes (repeatable, or with commas); others mean no",
    )
    parser.add_argument("--json", action="store_true", help="write JSON lines for any input format")
    parser.add_argument(
        "--output", type=Path, help="file for the labels (default: standard output)"
    )


def run(options: argparse.Namespace) -> None:
    """Writes the labels, and a summary on standard error."""
    kinds = list(dict.fromkeys(options.by or [label_file.REFUSAL]))
    named = Fields(options.prompt, options.response, options.context)
    by_model = not set(kinds) <= set(label_file.DETECTORS)
    file = read_answers(options.responses, named, needs_prompt=by_model)
    rows = label_file.rows_of(file)
    people = _people(rows, options)
    labels: dict[str, label_file.Labels] = {}
    for by in kinds:
        labels[by] = (
            label_file.by_detector(rows, by)
            if by in label_file.DETECTORS
            else _by_model(by, rows, options)
        )
    is_table = file.table.format in DELIMITERS.values()
    text = label_file.written(labels, options.json or not is_table)
    if options.output:
        write_for_person(options.output, text)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    summary = {"read": file.describe(), **label_file.summary(labels, people)}
    print(json.dumps(summary, indent=1, ensure_ascii=False), file=sys.stderr)
    for by, of_judge in labels.items():
        if by in label_file.DETECTORS:
            _warn(by, of_judge)
        else:
            _complain(by, of_judge, options.max_unparsed_rate)


def _people(rows: list[dict[str, Any]], options: argparse.Namespace) -> list[bool | None] | None:
    if not options.label:
        return None
    negative, positive = map(label_file.words_of, (options.negative, options.positive))
    return label_file.people_labels(rows, options.label, negative, positive)


def _by_model(
    by: str, rows: list[dict[str, Any]], options: argparse.Namespace
) -> label_file.Labels:
    if not options.model:
        raise InputError(f"--by {by} needs a judge model. Name it with --model.")
    folder = Path(options.model) if Path(options.model).is_dir() else None
    texts = texts_of(by, folder, options.template)
    if options.endpoint:
        session = endpoint(options.endpoint, options.model, options.api_key_env)
    else:
        if folder is None and not is_commit(options.model.partition("@")[2]):
            raise InputError(
                f"--model {options.model}: a model of the hub needs the full hash of a commit, so "
                "that the labels can be repeated: name@commit."
            )
        context = options.max_model_len or _context(folder)
        settings = EngineSettings(max_model_len=context, max_loras=0)
        session = engine(folder.resolve() if folder else options.model, settings)
    with session as client:
        labels = judges.judge(client, by, texts, rows, options.max_tokens, progress=by)
    return label_file.with_missing(labels, rows)


def _context(folder: Path | None) -> int:
    """Returns the usual context, or that of the model in a folder if it is shorter."""
    if folder is None or not (folder / "config.json").is_file():
        return USUAL_CONTEXT
    longest = read_json(folder / "config.json").get("max_position_embeddings") or USUAL_CONTEXT
    return min(USUAL_CONTEXT, int(longest))


def _warn(by: str, labels: label_file.Labels) -> None:
    unjudged = [label for label in labels if label["state"] == "unjudged"]
    if unjudged:
        print(
            f"{by}: {len(unjudged)} of {len(labels)} responses are unjudged and in no rate; the "
            f"first is row {unjudged[0]['id']}: {unjudged[0]['reason']}.",
            file=sys.stderr,
        )


def _complain(by: str, labels: label_file.Labels, most: float) -> None:
    answered = [label for label in labels if label["state"] != label_file.MISSING]
    without = [label for label in answered if label["state"] != "ok"]
    if answered and len(without) > most * len(answered):
        raise InputError(
            f"the judge '{by}' gave no verdict on {len(without)} of {len(answered)} responses (the "
            f"limit is {most:.0%}, --max-unparsed-rate); the first: {without[0]['state']}: "
            f"{without[0]['reason']}. Its other labels are written."
        )
