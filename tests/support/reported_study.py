"""A constructed study for the report: config, measurements, contrasts and files of its cells."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from manybaskets.config.study import StudyConfig
from manybaskets.findings import contrasts as contrast_tables
from manybaskets.metrics.measurement import COLUMNS

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\u2028'\"&amp;"
MIXES = ["vanilla", "single", "human"]


def config(**changed: Any) -> StudyConfig:
    """The study's config, with some keys changed."""
    raw: dict[str, Any] = {
        "study": "docs",
        "question": "What does it do?",
        "seeds": [1, 2, 3],
        "dataset": {"file": "rows.jsonl"},
        "models": {"wren": {"path": "models/wren"}},
        "sources": {"wren": {"model": "wren"}},
        "targets": ["wren"],
        "mixes": {"human": {"origins": {"human": 1.0}}, "single": {"origins": {"wren": 1.0}}},
    }
    return StudyConfig.model_validate(raw | changed)


def table(note: str = "") -> pd.DataFrame:
    """Measurements of three mixes and seeds; with a `note`, those of seed 3 have no value."""
    rows: list[dict[str, Any]] = [
        {"study": "docs", "target": "wren", "mix": mix, "seed": seed, "generation": 0}
        | {"probe": probe, "metric": metric, "item_set": item_set, "n": 10, "excluded": 0}
        | {"value": None if note and seed == 3 else place + 0.01 * seed**2, "note": note}
        for place, mix in enumerate(MIXES)
        for seed in (1, 2, 3)
        for probe, metric, item_set in (
            ("collapse", "bits_per_byte", "test"),
            ("collapse", "self_bleu", "test"),
            ("robustness", "refusal_rate", "decline/direct"),
            ("robustness", "refusal_rate", "harmless/direct"),
            ("preference", "preference", "wren"),
            ("preference", "self_preference_bias", "pairs"),
        )
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": "float64"})


def contrasts(measurements: pd.DataFrame) -> pd.DataFrame:
    """Two contrasts of the study, of which one metric is primary."""
    primary = {"collapse": ("bits_per_byte", "test")}
    return contrast_tables.contrasts(
        measurements, [("human", "single"), ("single", "vanilla")], primary
    )


def write(path: Path, text: str) -> None:
    """Writes a text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def study(root: Path, text: str = "words") -> None:
    """Writes the files that the report reads, with `text` wherever models or data write."""
    for mix in MIXES:
        for seed in (1, 2, 3):
            cell = root / "cells" / "wren" / mix / f"seed={seed}"
            rows = [{"id": i, "prompt": text, "response": text} for i in range(20)]
            answers = [row | {"state": "ok", "reason": text} for row in rows]
            write(cell / "responses.jsonl", "\n".join(map(json.dumps, answers)))
            run = {"rows": 5, "steps": 2, "curve": [{"step": 1, "loss": 2.0}], "extra": text}
            write(cell / "training.json", json.dumps(run))
            write(cell / "restricted" / "attacks.jsonl", '{"response": "CANARY"}')
            made = {"rows": 5, "origins": {text: 5}, "dropped": {}, "words": 9}
            write(root / "mixes" / mix / f"seed={seed}.json", json.dumps(made))
    write(root / "data" / "test.jsonl", "\n".join(map(json.dumps, rows)))
