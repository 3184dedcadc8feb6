"""Studies of theory: every part gives a table and a figure; invalid keys are reported."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from manybaskets.cli.people import theory as command
from manybaskets.config import yaml_files
from manybaskets.config.base import ConfigError
from manybaskets.dag import preflight
from manybaskets.simulations import theory, theory_figures
from tests.support.paths import ROOT

PRESET = ROOT / "resources/studies/verification.yaml"
PHASES = {"dimension": 10, "sizes": [20, 60], "noise": [0.1, 0.9], "keep": [[1, 1], [0.8, 0.3]]}
SMALL: dict[str, dict[str, Any]] = {
    "ridge": {**PHASES, "repetitions": 3},
    "agreement": {**PHASES, "repetitions": 3},
    "logistic": {**PHASES, "repetitions": 3},
    "directions": {"dimension": 5, "sizes": [20, 60], "verifiers": [0.25, 0], "repetitions": 3},
    "geometry": {"generators": [0.125, 0.25], "points": 5},
    "gaussian_loops": {"draws": 10, "dimension": 2, "generations": 4, "repetitions": 5},
    "regression_loops": {"rows": 20, "dimension": 2, "generations": 4, "repetitions": 5},
}


def run(tmp_path: Path, **changed: Any) -> None:
    settings = {"configfile": PRESET, "spec": None, "part": None, "table": None}
    command.run(argparse.Namespace(**(settings | {"output": tmp_path} | changed)))


@pytest.mark.slow
@pytest.mark.parametrize("part", SMALL)
def test_every_part_has_a_table_and_its_figure(part: str, tmp_path: Path) -> None:
    spec = {"settings": SMALL[part], "seed": 1}
    path = tmp_path / f"{part}.csv"
    run(path, part=part, spec=spec)
    found = pd.read_csv(path)
    assert found.notna().all().all()
    run(tmp_path, part=part, table=path)
    assert (tmp_path / f"{part}.svg").is_file() == (part in theory_figures.FIGURES)
    before = path.read_bytes()
    run(path, part=part, spec=spec)
    assert path.read_bytes() == before
    if "repetitions" in SMALL[part]:
        run(path, part=part, spec=spec | {"seed": 2})
        assert path.read_bytes() != before


def test_a_phase_table_holds_every_point_with_its_closed_form() -> None:
    found = theory.table("ridge", SMALL["ridge"], 1)
    assert len(found) == 2 * 2 * 2
    assert (found["low"] <= found["value"]).all()
    inside = (found["low"] <= found["closed_form"]) & (found["closed_form"] <= found["high"])
    assert (found["inside"] == inside).all()


def test_the_preset_loads_and_checks_at_least_sixty_points_with_twenty_seeds() -> None:
    study = theory.load(yaml_files.read(PRESET), "verification.yaml")
    assert study.parts() == list(SMALL)
    asked = study.theory.agreement
    assert asked is not None
    assert len(asked.sizes) * len(asked.noise) * len(asked.keep) >= 60
    for name in study.parts():
        part = getattr(study.theory, name)
        assert getattr(part, "repetitions", 20) >= 20


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ridge": {**PHASES, "noise": [1.5]}}, "theory.ridge.noise.0"),
        ({"ridge": {**PHASES, "repetitions": 1}}, "theory.ridge.repetitions"),
        ({"rigde": PHASES}, "theory.rigde"),
    ],
)
def test_a_mistake_is_named(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=r"my\.yaml") as caught:
        theory.load({"study": "t", "theory": changed}, "my.yaml")
    assert said in str(caught.value)


def test_a_study_of_theory_has_no_cells_to_plan() -> None:
    with pytest.raises(ConfigError, match="study of theory, without cells"):
        preflight.study_of([str(PRESET)], [])
