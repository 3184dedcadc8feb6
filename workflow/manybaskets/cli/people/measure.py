"""Measures the diversity of any file of responses, and their distance from human responses."""

import argparse
import json
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from manybaskets.cli.people import _duration
from manybaskets.config.base import MINILM
from manybaskets.config.probes import Collapse
from manybaskets.data.evaluations.answers import AnswerFile, Fields, read_answers
from manybaskets.data.tables.formats import FORMATS
from manybaskets.files import InputError, file_for_person
from manybaskets.metrics import registry
from manybaskets.metrics.measurement import Measurement, with_remark
from manybaskets.models.embeddings import embed, embedder_folder, language_remark
from manybaskets.paths import cache_folder
from manybaskets.probes.collapse import subsampling

HELP = "Measures the diversity of any file of responses, and their distance from human ones."
NONE = "none"
IMAGES = (".svg", ".png", ".pdf")
Row = tuple[str, str]  # key of the prompt, response
SETTINGS = Collapse()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "responses",
        type=Path,
        nargs="+",
        help=f"files of responses, which are shown side by side: {FORMATS}",
    )
    parser.add_argument("--against", type=Path, help="file of human responses, of any format")
    parser.add_argument(
        "--by", choices=["prompt"], help="also measure diversity among responses to one prompt"
    )
    recognised = "default: recognised by its name"
    parser.add_argument("--prompt", metavar="FIELD", help=f"field of the prompt ({recognised})")
    parser.add_argument("--response", metavar="FIELD", help=f"field of the response ({recognised})")
    parser.add_argument(
        "--context", metavar="FIELD", help="field of a text that precedes the prompt, with --prompt"
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
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON, by metric (by file where there are several)",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help=f"also draw a figure ({', '.join(IMAGES)})"
    )


def run(options: argparse.Namespace) -> None:
    """Prints the measurements as a table or as JSON, and draws them on request."""
    design = _checked_design(options)
    paths = list(dict.fromkeys(options.responses))
    files = [_read(path, options) for path in paths]
    human = _read(options.against, options) if options.against else None
    texts = [file.texts for file in (*files, *([human] if human else []))]
    print(_duration.estimate(texts, design, options.embedder == NONE), file=sys.stderr)
    names = _names(paths)
    measured = {
        name: _measurements(options, file, human, design)
        for name, file in zip(names, files, strict=True)
    }
    if options.json:
        by_file = {name: by_metric(of_file, options) for name, of_file in measured.items()}
        print(json.dumps(by_file if len(by_file) > 1 else by_file[names[0]], indent=1))
    elif len(measured) > 1:
        print("\n".join(side_by_side(measured)))
    else:
        print("\n".join([*table(measured[names[0]]), *remarks(measured[names[0]])]))
    if options.plot:
        from manybaskets.figures import measured_files

        with file_for_person(options.plot) as temporary:
            measured_files.save(measured, temporary, options.plot.suffix[1:])


@dataclass(frozen=True)
class File:
    """The rows of a file that have a response, and the number of those without one.

    `prompts` are the responses to each of the prompts with the most responses, and `fewer` the
    number of other prompts.
    """

    rows: list[Row]
    missing: int
    prompts: list[list[str]]
    fewer: int

    @property
    def texts(self) -> list[str]:
        """The responses."""
        return [text for _, text in self.rows]


def _read(path: Path, options: argparse.Namespace) -> File:
    rows, file = read(path, options)
    is_measured = options.by and path != options.against
    prompts, fewer = _prompts_with_most(path, rows) if is_measured else ([], 0)
    return File(rows, len(file.missing), prompts, fewer)


def _checked_design(options: argparse.Namespace) -> subsampling.Design:
    if options.plot and options.plot.suffix not in IMAGES:
        raise InputError(f"--plot {options.plot}: name a file that ends in {', '.join(IMAGES)}.")
    try:
        return subsampling.Design(
            options.documents, options.tokens, options.subsamples, options.seed
        )
    except ValueError as error:
        raise InputError(f"options: {error}") from None


def _names(paths: Sequence[Path]) -> list[str]:
    """Returns the names of files, or their paths where two have the same name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _measurements(
    options: argparse.Namespace, file: File, human: File | None, design: subsampling.Design
) -> list[Measurement]:
    of_model, of_human, paired = matched(file.rows, human.rows if human else None, design.documents)
    if human is not None:
        print(_pairing(len(of_model), len(file.rows), paired), file=sys.stderr)
    texts, human_texts = [text for _, text in of_model], [text for _, text in of_human]
    measurements = subsampling.measure_words(texts, human_texts or None, paired, design)
    if options.embedder != NONE:
        measurements += _of_embeddings(options, texts, human_texts, paired, design)
        if file.prompts:
            measurements += _within_prompts(options, file.prompts, file.fewer)
    return [with_missing(m, file.missing) for m in measurements]


def read(path: Path, options: argparse.Namespace) -> tuple[list[Row], AnswerFile]:
    """Returns key of the prompt and response of every row that has a response, and the file.

    The key is "" where the file has no prompts; prompts with different contexts have different
    keys. Raises InputError for a file that cannot be read or has no response.
    """
    file = read_answers(
        path, Fields(options.prompt, options.response, options.context), needs_prompt=False
    )
    print(f"{file.describe()}.", file=sys.stderr)
    return [(a.key, a.response) for a in file.answers if a.response is not None], file


def by_metric(
    measurements: Sequence[Measurement], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Returns the measurements by metric, with its definition and the parameters."""
    names = ("documents", "tokens", "subsamples", "seed", "embedder")
    parameters = {name: getattr(options, name) for name in names}
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


def side_by_side(measured: Mapping[str, Sequence[Measurement]]) -> list[str]:
    """Returns lines with value and standard deviation of each metric by file, and the remarks."""
    columns = {name: {m.metric: m for m in of_file} for name, of_file in measured.items()}
    metrics = list(dict.fromkeys(metric for column in columns.values() for metric in column))
    notes: list[str] = []
    rows = [["metric", *columns]]
    for metric in metrics:
        rows.append([metric, *(_cell(column.get(metric), notes) for column in columns.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    lines.insert(1, "-" * len(lines[0]))
    lines += ["", *(f"[{number}] {note}" for number, note in enumerate(notes, start=1))]
    for name, of_file in measured.items():
        lines += [f"{name}: {line}" for line in remarks(of_file) if line]
    return lines


def _cell(measurement: Measurement | None, notes: list[str]) -> str:
    """Returns value and spread, or the number of the reason why there is no value."""
    if measurement is not None and measurement.value is not None:
        spread = "" if measurement.spread is None else f" ± {measurement.spread:.2g}"
        return f"{measurement.value:.4g}{spread}"
    note = measurement.note if measurement else "not measured"
    if note not in notes:
        notes.append(note)
    return f"– [{notes.index(note) + 1}]"


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

    They are paired if both sets have at least `enough` rows of the same prompts, and unchanged
    otherwise. The first rows of a prompt in both sets are a pair, then the second rows, …
    """
    left: dict[str, deque[Row]] = {}
    for row in human or []:
        left.setdefault(row[0], deque()).append(row)
    pairs = [(row, left[row[0]].popleft()) for row in rows if row[0] and left.get(row[0])]
    if len(pairs) < enough:
        return rows, human or [], False
    return [row for row, _ in pairs], [human_row for _, human_row in pairs], True


def with_missing(measurement: Measurement, missing: int) -> Measurement:
    """Returns a measurement that counts the rows without a response as excluded."""
    return replace(measurement, excluded=measurement.excluded + missing)


def _pairing(pairs: int, rows: int, paired: bool) -> str:
    if not paired:
        return "The two files have too few prompts in common: their texts are compared as two sets."
    line = f"{pairs:,} responses are compared with the human response to the same prompt"
    return f"{line}; {rows - pairs:,} others are left out." if pairs < rows else f"{line}."


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


def _prompts_with_most(path: Path, rows: Sequence[Row]) -> tuple[list[list[str]], int]:
    """Returns the responses to each prompt with the most responses, and the number of others."""
    by_prompt: dict[str, list[str]] = {}
    for prompt, text in rows:
        by_prompt.setdefault(prompt, []).append(text)
    if "" in by_prompt:
        raise InputError(
            f"{path}: rows have no prompt. Omit --by prompt, or name the field of the prompt with "
            "--prompt."
        )
    samples = max(map(len, by_prompt.values()))
    if samples == 1:
        raise InputError(
            f"{path}: no prompt occurs twice. Omit --by prompt, or name the field of the prompt "
            "with --prompt."
        )
    complete = [texts for texts in by_prompt.values() if len(texts) == samples]
    return complete, len(by_prompt) - len(complete)


def _within_prompts(
    options: argparse.Namespace, prompts: Sequence[Sequence[str]], fewer: int
) -> list[Measurement]:
    vectors = [_vectors(options, texts) for texts in prompts]
    measurements = subsampling.measure_within_prompts(
        vectors, len(prompts[0]), options.similarity_threshold
    )
    measurements = [replace(m, excluded=m.excluded + fewer) for m in measurements]
    texts = [text for texts in prompts for text in texts]
    return with_remark(measurements, language_remark(options.embedder, texts))


def _vectors(options: argparse.Namespace, texts: Sequence[str]) -> subsampling.Vectors:
    folder = embedder_folder(MINILM) if options.embedder == MINILM else options.embedder
    cache = cache_folder()
    cores = len(os.sched_getaffinity(0))
    vectors = embed(folder, texts, cache=cache and cache / "embeddings", processes=cores)
    return vectors.astype(np.float64)
