"""The report's data on cells: values, training sets, trainings, and responses side by side.

Reads named files of a study's results and nothing below a folder called restricted. Files that
are missing or cannot be read are listed as missing.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from manybaskets.config.base import VANILLA
from manybaskets.dag.provenance import Provenance
from manybaskets.figures import labels
from manybaskets.figures.tables import Findings
from manybaskets.files import InputError, read_json, read_jsonl
from manybaskets.study.keys import Cell
from manybaskets.study.layout import Study

SAMPLES = 12
LONGEST_SAMPLE = 4000  # characters


@dataclass
class Missing:
    """Results that the study should have and does not: kinds of results, and their places."""

    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, place: str) -> None:
        """Adds a missing result of a kind."""
        self.places.setdefault(kind, []).append(place)


def cell_cards(
    study: Study,
    root: Path,
    findings: Findings,
    colours: Mapping[str, str],
    missing: Missing,
) -> dict[str, Any]:
    """Every cell: its key metrics, all its values, its training set and its training."""
    named = list(findings.every.groupby(["metric", "item_set"], sort=True).groups)
    places = {name: place for place, name in enumerate(named)}
    values: dict[Cell, list[float | None]] = {}
    measured: set[tuple[Cell, str]] = set()
    for row in findings.every.itertuples():
        generation = 0 if pd.isna(row.generation) else int(row.generation)
        cell = Cell(row.target, row.mix, int(row.seed), generation)
        of_cell = values.setdefault(cell, [None] * len(named))
        of_cell[places[row.metric, row.item_set]] = (
            None if math.isnan(row.value) else float(f"{row.value:.6g}")
        )
        measured.add((cell, row.probe))
    rows = []
    made = Provenance(root)
    for cell in study.cells:
        for probe in study.probes():
            if (cell, probe) not in measured:
                missing.add(f"Measurements of {probe}", _name(cell))
        row = {"target": cell.target, "mix": cell.mix, "seed": cell.seed}
        row |= {"generation": cell.generation} if cell.generation else {}
        row |= {"values": values.get(cell, [])}
        if cell.mix != VANILLA:
            composition = root / f"{cell.training_set}.json"
            row["composition"] = _part(composition, "Compositions of training sets", cell, missing)
            training = root / cell.path / "training.json"
            row["training"] = _part(training, "Summaries of training", cell, missing)
        row["made"] = made.of(cell)
        rows.append(row)
    return {
        "names": [labels.label(*name) for name in named],
        "key": [places[name] for name in labels.key_pairs(named)],
        "colours": colours,
        "versions": made.versions,
        "rows": rows,
    }


def samples(
    study: Study, root: Path, colours: Mapping[str, str], missing: Missing
) -> dict[str, Any]:
    """Responses of all conditions of the first seed to the same few test prompts.

    The prompts are at equal distances in the test set, not picked by hand.
    """
    first = study.config.seeds[0]
    if study.config.probes.collapse is None:  # then there are no responses
        return {"seed": first, "colours": colours, "prompts": [], "responses": {}}
    test = _rows(root / "data" / "test.jsonl")
    if not test:
        missing.add("Test prompts", "data/test.jsonl")
    chosen = [test[i * len(test) // SAMPLES] for i in range(SAMPLES)] if test else []
    chosen = list({row["id"]: row for row in chosen}.values())
    responses: dict[str, dict[str, list[Any]]] = {}
    for cell in study.last_cells if chosen else []:
        if cell.seed != first:
            continue
        by_id = {row["id"]: row for row in _rows(root / cell.path / "responses.jsonl")}
        if not by_id:
            missing.add("Responses to test prompts", _name(cell))
        of_target = responses.setdefault(cell.target, {})
        of_target[cell.mix] = [_sample(by_id.get(row["id"])) for row in chosen]
    return {
        "seed": first,
        "colours": colours,
        "prompts": [
            {"prompt": _cut(row.get("prompt")), "human": _cut(row.get("response"))}
            for row in chosen
        ],
        "responses": responses,
    }


def _sample(row: Mapping[str, Any] | None) -> dict[str, str] | None:
    if row is None:
        return None
    state = str(row.get("state", "ok"))
    return {"text": _cut(row.get("response")), "state": state, "reason": _cut(row.get("reason"))}


def _cut(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_SAMPLE else f"{text[:LONGEST_SAMPLE]} […]"


def _part(path: Path, kind: str, cell: Cell, missing: Missing) -> Any:
    content = read_part(path)
    if not isinstance(content, dict):
        missing.add(kind, _name(cell))
        return None
    return content


def read_part(path: Path) -> Any:
    """The content of a JSON file; None where the file is missing or not JSON."""
    try:
        return json.loads(json.dumps(read_json(path), allow_nan=False))
    except (OSError, ValueError):
        return None


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return read_jsonl(path, ["id"])
    except InputError:
        return []


def _name(cell: Cell) -> str:
    generation = f", generation {cell.generation}" if cell.generation else ""
    return f"{cell.target}, {cell.mix}, seed {cell.seed}{generation}"
