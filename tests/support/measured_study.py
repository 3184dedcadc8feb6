"""Measurements of a constructed study for figures, and the texts of an SVG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from manybaskets.figures import registry, tables
from manybaskets.findings import contrasts
from manybaskets.metrics.measurement import COLUMNS

MIXES = ["vanilla", "human", "single", "multi"]
PRIMARY = {
    "collapse": ("bits_per_byte", "test"),
    "robustness": ("refusal_rate", "decline/direct"),
    "preference": ("self_preference_bias", "pairs"),
}
METRICS = [
    ("collapse", "bits_per_byte", "test"),
    ("collapse", "self_bleu", "test"),
    ("collapse", "distinct_2", "test"),
    ("robustness", "refusal_rate", "decline/direct"),
    ("robustness", "refusal_rate", "decline/persona"),
    ("robustness", "refusal_rate", "harmless/direct"),
    ("preference", "preference", "human"),
    ("preference", "preference", "wren"),
    ("preference", "self_preference_bias", "pairs"),
    ("preference", "position_bias", "pairs"),
]


def measured(
    mixes: Sequence[str] = MIXES,
    seeds: Sequence[int] = (1, 2, 3),
    targets: Sequence[str] = ("wren",),
    probes: Sequence[str] = tuple(PRIMARY),
) -> pd.DataFrame:
    """A study in which every mix is a bit higher than the one before, with noise over seeds."""
    draw = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for target in targets:
        for place, mix in enumerate(mixes):
            for seed in seeds:
                rows += [
                    {"study": "s", "target": target, "mix": mix, "seed": seed, "generation": 0}
                    | {"probe": probe, "metric": metric, "item_set": item_set, "n": 10}
                    | {"value": 0.2 + 0.1 * place + draw.normal(0, 0.02), "excluded": 0, "note": ""}
                    for probe, metric, item_set in METRICS
                    if probe in probes
                ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": "float64"})


def findings_of(table: pd.DataFrame, mixes: Sequence[str] = MIXES) -> tables.Findings:
    """The table with the contrasts of every mix against the first."""
    pairs = [(mix, mixes[0]) for mix in mixes[1:]]
    primary = {probe: PRIMARY[probe] for probe in PRIMARY if probe in set(table["probe"])}
    return tables.findings(table, contrasts.contrasts(table, pairs, primary), mixes)


def texts(svg: Path) -> str:
    """All text elements of an SVG file, joined by spaces."""
    root = ElementTree.parse(svg).getroot()
    return " ".join(e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text"))


def draw(findings: tables.Findings, folder: Path, *names: str) -> None:
    """Draws some of the figures."""
    chosen = {name: registry.plots()[name] for name in names}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "plots", lambda: chosen)
        registry.draw_figures(findings, folder)
