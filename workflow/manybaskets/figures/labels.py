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
# The metrics to compare at a glance, with their item set (None for any).
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
    """A metric on an item set in words."""
    return described(metric).label_of(item_set)


def described(metric: str) -> registry.Metric:
    """The metric of this name; a table of another version may contain one without a definition."""
    known = registry.metrics().get(metric)
    unknown = "This version has no definition of it."
    return known or registry.Metric(metric, metric.replace("_", " "), unknown, "neither", "")


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
    order = list(dict.fromkeys([*key, *registry.metrics(), *metrics]))
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
