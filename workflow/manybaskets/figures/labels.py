"""Words of figures and reports: labels of metrics, and sentences on missing values."""

from collections.abc import Sequence

import pandas as pd

from manybaskets.metrics import registry

# A changed label changes the figures and the report.
LOADS = (
    "metrics:Metric",
    "metrics:MetricOfWords",
    "metrics:MetricOfEmbeddings",
    "probes.preference.text_questions:Metric",
)
# What to compare at a glance: (metric, item set; None for any).
KEY_METRICS = (
    ("bits_per_byte", "test"),
    ("tail_gap", "test"),
    ("self_bleu", "test"),
    ("distinct_2", "test"),
    ("prompt_vendi_1", "samples"),
    ("mmd2", "test"),
    ("refusal_rate", "decline/direct"),
    ("refusal_rate", "harmless/direct"),
    ("self_preference_bias", None),
    ("synthetic_preference", None),
    ("position_bias", None),
    ("discernment", None),
)


def label(metric: str, item_set: str) -> str:
    """A metric on an item set in words; raises ValueError for an unknown metric."""
    return registry.metric(metric).label_of(item_set)


def axis(metric: str) -> str:
    """The label of an axis: the metric and how to read it."""
    described = registry.metric(metric)
    return f"{described.label} ({described.reading})"


def key_metrics(values: pd.DataFrame) -> list[tuple[str, str]]:
    """The key metrics that have a value in a table of measurements, as (metric, item set)."""
    valued = values[values["value"].notna()]
    return key_pairs(sorted(set(zip(valued["metric"], valued["item_set"], strict=True))))


def key_pairs(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The (metric, item set) pairs that are key metrics, in the order of KEY_METRICS."""
    return [
        pair
        for metric, wanted in KEY_METRICS
        for pair in pairs
        if pair[0] == metric and wanted in (None, pair[1])
    ]


def by_importance(metrics: Sequence[str]) -> list[str]:
    """The metrics with the key ones first, then in the order of the registry."""
    key = [metric for metric, _ in KEY_METRICS]
    order = list(dict.fromkeys([*key, *registry.metrics()]))
    return sorted(metrics, key=order.index)


def without_value(data: pd.DataFrame) -> str:
    """A sentence that lists missing values and their seeds; empty where no value is missing."""
    empty = data[data["value"].isna()]
    several = data["target"].nunique() > 1
    missing: dict[str, list[str]] = {}
    for row in empty.itertuples():
        cell = f"{row.target + ' ' if several else ''}{row.mix} seed {row.seed}"
        missing.setdefault(label(row.metric, row.item_set), []).append(cell)
    listed = "; ".join(f"{name}: {', '.join(cells)}" for name, cells in missing.items())
    return f"Without a value: {listed}." if listed else ""
