"""A half-finished study: its results are reported, the missing ones are listed."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from manybaskets import __main__


def results(folder: Path, config: dict[str, Any], cells: list[tuple[str, int]]) -> None:
    """A study in `folder` with the collapse and robustness probes of some cells."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    sets = {"collapse": ("bits_per_byte", "test"), "robustness": ("refusal_rate", "decline/direct")}
    for place, (mix, seed) in enumerate(cells):
        for probe, (metric, item_set) in sets.items():
            row = {"probe": probe, "metric": metric, "item_set": item_set, "n": 5}
            row |= {"value": 0.5 + 0.1 * place + 0.01 * seed**2, "excluded": 0, "note": ""}
            path = folder / f"results/micro/cells/wren/{mix}/seed={seed}/{probe}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"measurements": [row]}))


def run(monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["manybaskets", "interim"])
    return __main__.main()


@pytest.mark.slow
def test_what_is_there_is_reported_and_what_is_missing_listed(
    tmp_path: Path,
    study_config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = [(mix, seed) for mix in ("vanilla", "human") for seed in (1, 2)] + [("single", 1)]
    results(tmp_path, study_config, cells)
    assert run(monkeypatch, tmp_path) == 0
    assert "10 of 24 results of probes, 10 measurements." in capsys.readouterr().out
    folder = tmp_path / "results" / "micro" / "interim"
    page = (folder / "report.html").read_text()
    assert "This report is incomplete" in page
    assert "Measurements of collapse: wren, single, seed 2; wren, multi, seed 1" in page
    assert "Measurements of preference: wren, vanilla, seed 1" in page
    found = pd.read_csv(folder / "contrasts.csv")
    assert set(zip(found["mix"], found["against"], strict=True)) == {
        ("human", "vanilla"),
        ("single", "vanilla"),
        ("single", "human"),
    }
    single = found[(found["mix"] == "single") & (found["against"] == "human")]
    assert single["verdict"].str.contains("single has 1 seed with a value").all()
    assert not (tmp_path / "results" / "micro" / "findings").exists()


def test_a_study_without_a_measurement_has_a_report_that_says_so(
    tmp_path: Path, study_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    results(tmp_path, study_config, [])
    (tmp_path / "results" / "micro" / "cells").mkdir(parents=True)
    assert run(monkeypatch, tmp_path) == 0
    page = (tmp_path / "results" / "micro" / "interim" / "report.html").read_text()
    assert "There are no primary contrasts." in page


def test_a_study_that_was_never_started_is_named(
    tmp_path: Path,
    study_config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results(tmp_path, study_config, [])
    assert run(monkeypatch, tmp_path) == 2
    assert "there are no results of cells yet" in capsys.readouterr().err
