"""Measures the collapse probe of a cell, from likelihoods, responses and embeddings."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_json, read_jsonl, write_json
from manybaskets.metrics import rouge
from manybaskets.metrics.measurement import Measurement, to_json, with_remark
from manybaskets.models.embeddings import read_embeddings, read_remark
from manybaskets.probes.collapse import likelihood, subsampling
from manybaskets.seeds import derived_seed
from manybaskets.stages.collapse import CollapseSpec

HELP = "Measures fit to human text and diversity, from a cell's likelihoods and responses."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, CollapseSpec)
    parser.add_argument("--likelihood", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--own", type=Path, required=True)
    parser.add_argument("--responses", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--embeddings", type=Path, nargs="?")
    parser.add_argument("--reference", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--outliers", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the measurements, and the responses that the rule of the Eggs study excludes."""
    settings = options.spec.collapse.model_dump()
    rows = read_jsonl(options.responses, ["response", "state"])
    test = read_jsonl(options.test, ["response"])
    answers = [
        (row["response"], human["response"])
        for row, human in zip(rows, test, strict=True)
        if row["state"] != "failed"
    ]
    answered, human = [own for own, _ in answers], [human for _, human in answers]
    design = subsampling.Design(
        settings["documents"],
        settings["tokens"],
        settings["subsamples"],
        derived_seed(options.spec.seed, "collapse"),
    )
    measurements, outliers = likelihood.measure(
        likelihood.read_table(options.tokens),
        read_json(options.likelihood),
        read_json(options.own),
        settings["bins"],
    )
    measurements += [_cut_rate(rows), *subsampling.measure_words(answered, human, True, design)]
    if options.spec.task == "summarize":
        measurements += rouge.rouge_measurements(answered, human)
    if options.embeddings:
        samples = read_jsonl(options.samples, ["id", "response"])
        measurements += _embedding_measurements(options, settings, design, samples)
    write_json(options.output, {"measurements": to_json(measurements)})
    write_json(options.outliers, outliers)


def _embedding_measurements(
    options: argparse.Namespace,
    settings: dict[str, Any],
    design: subsampling.Design,
    samples: Sequence[dict[str, Any]],
) -> list[Measurement]:
    vectors = {
        name: rows.astype(np.float64) for name, rows in read_embeddings(options.embeddings).items()
    }
    human = read_embeddings(options.reference)["responses"].astype(np.float64)
    places: dict[str, list[int]] = {}
    for place, row in enumerate(samples):
        places.setdefault(row["id"], []).append(place)
    by_prompt = [vectors["samples"][chosen] for chosen in places.values()]
    measurements = [
        *subsampling.measure_embeddings(
            vectors["responses"], human, True, design, settings["topics"], settings["permutations"]
        ),
        *subsampling.measure_within_prompts(
            by_prompt, settings["samples"], settings["similarity_threshold"]
        ),
    ]
    remark = read_remark(options.embeddings) or read_remark(options.reference)
    return with_remark(measurements, remark)


def _cut_rate(rows: Sequence[dict[str, Any]]) -> Measurement:
    answered = [row for row in rows if row["state"] != "failed"]
    cut = sum(row["state"] == "length" for row in answered)
    value = cut / len(answered) if answered else None
    note = "" if answered else "no response was generated"
    failed = len(rows) - len(answered)
    return Measurement("collapse", "cut_rate", "test", value, len(answered), failed, note)
