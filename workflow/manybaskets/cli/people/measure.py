"""Measures the diversity of any file of responses, and their distance from human responses."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from manybaskets.config.base import MINILM
from manybaskets.config.probes import Collapse
from manybaskets.files import InputError, read_jsonl
from manybaskets.metrics import registry
from manybaskets.metrics.measurement import Measurement, with_remark
from manybaskets.probes.collapse import subsampling
from manybaskets.probes.collapse.embeddings import embed, embedder_folder, language_remark

HELP = "Measures the diversity of any file of responses, and their distance from human ones."
PROMPTS, RESPONSES = ("prompt", "instruction", "question"), ("response", "output", "answer")
NONE = "none"
Row = tuple[str, str]  # prompt, response
SETTINGS = Collapse()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("responses", type=Path, help="JSON lines, or a JSON array, of objects")
    parser.add_argument("--against", type=Path, help="human responses in the same format")
    parser.add_argument(
        "--by", choices=["prompt"], help="also measure diversity among responses to one prompt"
    )
    parser.add_argument(
        "--prompt", help=f"field of the prompt (default: the first of {', '.join(PROMPTS)})"
    )
    parser.add_argument(
        "--response", help=f"field of the response (default: the first of {', '.join(RESPONSES)})"
    )
    parser.add_argument(
        "--embedder",
        default=MINILM,
        help=f"{MINILM}, a folder, a hub id, or {NONE} (default: %(default)s)",
    )
    parser.add_argument(
        "--documents",
        type=int,
        default=SETTINGS.documents,
        help="responses per subsample (%(default)s)",
    )
    parser.add_argument(
        "--tokens", type=int, default=SETTINGS.tokens, help="tokens per response (%(default)s)"
    )
    parser.add_argument("--subsamples", type=int, default=SETTINGS.subsamples)
    parser.add_argument("--topics", type=int, default=SETTINGS.topics)
    parser.add_argument("--similarity-threshold", type=float, default=SETTINGS.similarity_threshold)
    parser.add_argument("--permutations", type=int, default=SETTINGS.permutations)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON, by metric")


def run(options: argparse.Namespace) -> None:
    """Prints the measurements as a table or as JSON."""
    rows = read_rows(options.responses, options.prompt, options.response)
    human = None
    if options.against:
        human = read_rows(options.against, options.prompt, options.response)
    try:
        design = subsampling.Design(
            options.documents, options.tokens, options.subsamples, options.seed
        )
    except ValueError as error:
        raise InputError(f"options: {error}") from None
    of_model, of_human, paired = matched(rows, human, design.documents)
    texts, human_texts = [text for _, text in of_model], [text for _, text in of_human]
    measurements = subsampling.measure_words(texts, human_texts or None, paired, design)
    if options.embedder != NONE:
        measurements += _of_embeddings(options, texts, human_texts, paired, design)
        if options.by:
            measurements += _within_prompts(options, rows)
    if options.json:
        parameters = {
            name: getattr(options, name)
            for name in ("documents", "tokens", "subsamples", "seed", "embedder")
        }
        print(json.dumps(by_metric(measurements, parameters), indent=1))
    else:
        print("\n".join([*table(measurements), *remarks(measurements)]))


def read_rows(path: Path, prompt: str | None, response: str | None) -> list[Row]:
    """Returns prompt and response of every row, from the given fields or those of usual names.

    The prompt is "" if there is no such field. Raises InputError if the field of the response is
    missing or is not text.
    """
    rows = read_jsonl(path)
    response = response or _usual(path, rows[0], RESPONSES, "response")
    prompt = prompt or next((name for name in PROMPTS if name in rows[0]), None)
    pairs = []
    for number, row in enumerate(rows, start=1):
        text = row.get(response)
        if not isinstance(text, str):
            raise InputError(
                f"{path}, row {number}: '{response}' is {type(text).__name__}, not text. Name "
                "another field with --response, or correct the row."
            )
        pairs.append((str(row.get(prompt, "")) if prompt else "", text))
    return pairs


def by_metric(measurements: Sequence[Measurement], parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the measurements by metric, with its definition and the parameters."""
    return {
        m.metric: {
            key: value
            for key, value in asdict(m).items()
            if key not in ("probe", "metric", "item_set")
        }
        | {"parameters": parameters, "meaning": registry.metric(m.metric).definition}
        for m in measurements
    }


def table(measurements: Sequence[Measurement]) -> list[str]:
    """Returns lines with value, standard deviation, number of texts and note of each metric."""
    width = max(len(m.metric) for m in measurements)
    lines = [f"{'metric':<{width}}  {'value':>10}  {'± sd':>9}  {'n':>6}", "-" * (width + 31)]
    for m in measurements:
        value = "–" if m.value is None else f"{m.value:.4g}"
        spread = "" if m.spread is None else f"{m.spread:.2g}"
        note = f"  {m.note}" if m.value is None else ""
        lines.append(f"{m.metric:<{width}}  {value:>10}  {spread:>9}  {m.n:>6,}{note}")
    return lines


def remarks(measurements: Sequence[Measurement]) -> list[str]:
    """Returns a line for each remark on the texts, with the metrics whose values it is about."""
    of_texts = {m.name for m in (*registry.metrics_of_words(), *registry.metrics_of_embeddings())}
    metrics: dict[str, list[str]] = {}
    for m in measurements:
        if m.metric in of_texts and m.value is not None and m.note:
            metrics.setdefault(m.note, []).append(m.metric)
    lines = [f"{', '.join(names)}: {note}." for note, names in metrics.items()]
    return ["", *lines] if lines else []


def matched(
    rows: Sequence[Row], human: Sequence[Row] | None, enough: int
) -> tuple[Sequence[Row], Sequence[Row], bool]:
    """Returns responses and human texts, and whether row i of both answers the same prompt.

    They are paired if at least `enough` prompts occur in both sets, and unchanged otherwise.
    """
    answers = {prompt: text for prompt, text in human or [] if prompt}
    first = {prompt: text for prompt, text in reversed(rows) if prompt in answers}
    if len(first) < enough:
        return rows, human or [], False
    shared = [prompt for prompt in dict(rows) if prompt in first]
    return [(p, first[p]) for p in shared], [(p, answers[p]) for p in shared], True


def _of_embeddings(
    options: argparse.Namespace,
    texts: Sequence[str],
    human: Sequence[str],
    paired: bool,
    design: subsampling.Design,
) -> list[Measurement]:
    measurements = subsampling.measure_embeddings(
        _vectors(options, texts),
        _vectors(options, human) if human else None,
        paired,
        design,
        options.topics,
        options.permutations,
    )
    remark = language_remark(options.embedder, texts)
    return with_remark(
        measurements, remark or language_remark(options.embedder, human, "human responses")
    )


def _within_prompts(options: argparse.Namespace, rows: Sequence[Row]) -> list[Measurement]:
    by_prompt: dict[str, list[str]] = {}
    for prompt, text in rows:
        by_prompt.setdefault(prompt, []).append(text)
    samples = max(map(len, by_prompt.values()))
    complete = [texts for texts in by_prompt.values() if len(texts) == samples]
    if samples == 1:
        raise InputError(
            f"{options.responses}: no prompt occurs twice. Omit --by prompt, or name the field of "
            "the prompt with --prompt."
        )
    vectors = [_vectors(options, texts) for texts in complete]
    measurements = subsampling.measure_within_prompts(
        vectors, samples, options.similarity_threshold
    )
    texts = [text for texts in complete for text in texts]
    return with_remark(measurements, language_remark(options.embedder, texts))


def _vectors(options: argparse.Namespace, texts: Sequence[str]) -> subsampling.Vectors:
    folder = embedder_folder(MINILM) if options.embedder == MINILM else options.embedder
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "manybaskets")
    cores = len(os.sched_getaffinity(0))
    vectors = embed(folder, texts, cache=cache / "embeddings", processes=cores)
    return vectors.astype(np.float64)


def _usual(path: Path, row: dict[str, Any], names: Sequence[str], option: str) -> str:
    for name in names:
        if name in row:
            return name
    raise InputError(
        f"{path}: the first row has no field {', '.join(names)}; its fields are "
        f"{', '.join(row) or '(none)'}. Name the field with --{option}."
    )
