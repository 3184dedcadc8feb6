"""The parts of the report, one per probe: title, question, and tables of means over seeds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from manybaskets.figures import labels
from manybaskets.figures.tables import Findings
from manybaskets.metrics import registry
from manybaskets.probes.probe import probe

SELECTION = "selection"  # a part like that of a probe, where a mix selects


class Part(NamedTuple):
    """Title and question of a part."""

    title: str
    question: str


PARTS = {
    "collapse": Part(
        "Collapse",
        "Does the model still fit human text, and does it still write varied text?",
    ),
    "robustness": Part(
        "Robustness",
        "Does it still decline what it should decline, under attack too, and only that?",
    ),
    "preference": Part(
        "Preference",
        "As a judge, does it favour its own text over that of others?",
    ),
    SELECTION: Part(
        "Selection",
        "Which rows did each verifier keep, and is the resulting model better?",
    ),
}


def part(name: str, findings: Findings, colours: Mapping[str, str]) -> dict[str, Any]:
    """A part of the report without its figures: metrics, tables, and missing values."""
    values = findings.values[findings.values["probe"] == name]
    metrics = labels.by_importance(list(values["metric"].unique()))
    mixes = set(values["mix"].unique())
    described = [labels.described(metric) for metric in metrics]
    named = PARTS.get(name) or Part(probe(name).title, probe(name).question)
    return {
        "name": name,
        "title": named.title,
        "question": named.question,
        "metrics": [(metric.label, metric.definition) for metric in described],
        "mixes": [(mix, colours[mix]) for mix in findings.mixes if mix in mixes],
        "tables": [
            {"target": target, "rows": list(_means(rows, findings.mixes, metrics))}
            for target, rows in values.groupby("target", sort=True)
        ],
        "without": _without_value(values),
        "remarks": _remarks(values),
    }


def _means(
    values: pd.DataFrame, mixes: Sequence[str], metrics: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """One row per metric and item set: mean and standard deviation over seeds of every mix."""
    measured = set(values["mix"].unique())
    present = [mix for mix in mixes if mix in measured]
    groups = dict(list(values.groupby(["metric", "item_set"], sort=True)))
    for metric, item_set in sorted(groups, key=lambda key: (metrics.index(key[0]), key[1])):
        of_mix = groups[metric, item_set].groupby("mix")["value"]
        summary = of_mix.agg(["mean", "std", "count"]).reindex(present)
        decimals = _decimals(summary)
        yield {
            "label": labels.label(metric, item_set),
            "cells": [
                {
                    "mean": _number(row["mean"], decimals),
                    "sd": _number(row["std"], decimals),
                    "n": 0 if math.isnan(row["count"]) else int(row["count"]),
                }
                for _, row in summary.iterrows()
            ],
        }


def _decimals(summary: pd.DataFrame) -> int:
    """The digits that show two digits of the typical deviation, the same for a whole row."""
    deviations = summary["std"][summary["std"] > 0]
    typical = float(deviations.median()) if len(deviations) else 0.0
    return int(np.clip(1 - math.floor(math.log10(typical)), 1, 4)) if typical > 0 else 3


def _number(value: float, decimals: int) -> str:
    return "" if pd.isna(value) else f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _without_value(values: pd.DataFrame) -> list[dict[str, str]]:
    """The values that could not be computed, grouped by metric and reason."""
    empty = values[values["value"].isna()]
    return [
        {
            "label": labels.label(metric, item_set),
            "cell": f"{target}, {mix}, seed {', '.join(map(str, rows['seed']))}",
            "note": note or "no reason given",
        }
        for (metric, item_set, target, mix, note), rows in empty.groupby(
            ["metric", "item_set", "target", "mix", "note"], sort=True
        )
    ]


def _remarks(values: pd.DataFrame) -> list[dict[str, str]]:
    """How texts were cut, and languages that an embedder is not made for, with their mixes."""
    metrics = (*registry.metrics_of_words(), *registry.metrics_of_embeddings())
    of_texts = values["metric"].isin([metric.name for metric in metrics])
    remarked = values[of_texts & values["value"].notna() & (values["note"].fillna("") != "")]
    return [
        {
            "note": str(note),
            "labels": ", ".join(labels.label(metric, "test") for metric in rows["metric"].unique()),
            "mixes": ", ".join(rows["mix"].unique()),
        }
        for note, rows in remarked.groupby("note", sort=True)
    ]
