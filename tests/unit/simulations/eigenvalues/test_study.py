"""Studies of eigenvalues: valid configs, and the files of a whole study."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

from manybaskets.cli.people import eigenvalues as command
from manybaskets.config import yaml_files
from manybaskets.config.base import ConfigError
from manybaskets.dag import preflight
from manybaskets.simulations.eigenvalues import figures, findings
from manybaskets.simulations.eigenvalues import study as eigenvalue_study
from tests.support.eigenvalue_study import SMALL
from tests.support.paths import ROOT

STUDIES = ROOT / "resources/studies"


def run(**given: Any) -> None:
    options = {"configfile": None, "step": None, "spec": None, "inputs": [], "reference": None}
    command.run(argparse.Namespace(**(options | given)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    run(configfile=folder / "small.yaml", output=folder / "made")
    return folder / "made"


@pytest.mark.slow
def test_a_study_makes_all_outputs_of_its_rules(made: Path) -> None:
    arms = SMALL["eigenvalues"]["arms"]
    for seed in (1, 2):
        for name in ("generator", "labels", *(f"{arm}/student" for arm in arms)):
            assert (made / f"seed={seed}/{name}.json").is_file()
            assert (made / f"seed={seed}/{name}.safetensors").is_file()
    assert {path.name for path in (made / "findings").iterdir()} == {
        *("accuracy.csv", "comparisons.csv", "selections.csv", "decoding.csv", "ranking.csv"),
        *("arms.svg", "arms.png", "decoding.svg", "decoding.png"),
    }


def test_jobs_give_the_same_bytes_again(made: Path, tmp_path: Path) -> None:
    study = eigenvalue_study.load(SMALL, "small.yaml")
    run(step="generator", spec=study.job_spec("generator", 1), output=tmp_path)
    weights = made / "seed=1/generator.safetensors"
    run(step="labels", spec=study.job_spec("labels", 1), inputs=[weights], output=tmp_path)
    labels = made / "seed=1/labels.safetensors"
    for arm in ("best", "random"):
        spec = study.job_spec("student", 1, arm)
        run(step="student", spec=spec, inputs=[labels], output=tmp_path / arm)
    found = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(found) == 8
    for path in found:
        assert path.read_bytes() == (made / "seed=1" / path.relative_to(tmp_path)).read_bytes()


def test_labels_contain_every_matrix_and_the_oracle_is_the_best_of_them(made: Path) -> None:
    labels = load_file(made / "seed=1/labels.safetensors")
    assert labels["greedy"].shape == (180, 1, 11)
    assert labels["samples"].shape == labels["beams"].shape == (120, 3, 11)
    assert np.isfinite(labels["beams perplexity"]).all()
    decoding = pd.read_csv(made / "findings/decoding.csv")
    at = decoding[(decoding["tolerance"] == 0.6) & (decoding["seed"] == 1)]
    values = at.set_index(["decoding", "candidates"])["value"]
    assert values["sample", 1] <= values["best of samples", 2] <= values["best of samples", 3]
    assert values["least perplexing of beams", 3] <= values["best of beams", 3]
    greedy = json.loads((made / "seed=1/generator.json").read_text())["accuracy"]["0.6"]
    assert values["greedy", 1] == greedy


def test_an_arm_trains_on_the_labels_it_keeps_and_records_them(made: Path) -> None:
    found = {
        path.parent.name: json.loads(path.read_text())
        for path in (made / "seed=1").glob("*/student.json")
    }
    assert found["unverified"]["rows"] == found["clean"]["rows"] == 120
    assert found["oracle"]["rows"] == found["random"]["rows"] < 120
    assert found["oracle"]["label_accuracy"]["0.6"] == 1
    assert found["random"]["label_accuracy"]["0.6"] < 1
    assert found["clean"]["label_accuracy"]["0.2"] == 1
    assert found["clean"]["selection"]["p_star"] is None
    assert found["oracle"]["selection"]["psi"] == 0
    assert found["best"]["rows"] <= 60
    p = found["unverified"]["selection"]["p"]
    assert found["random"]["selection"]["p"] == found["oracle"]["selection"]["p"] == p


def test_an_arm_that_keeps_nothing_is_recorded_and_shown_as_missing(
    made: Path, tmp_path: Path
) -> None:
    changed = json.loads(json.dumps(SMALL))
    changed["eigenvalues"]["problem"] |= {"tolerances": [1e-9, 0.6], "tolerance": 1e-9}
    study = eigenvalue_study.load(changed, "small.yaml")
    labels = made / "seed=1/labels.safetensors"
    spec = study.job_spec("student", 1, "oracle")
    run(step="student", spec=spec, inputs=[labels], output=tmp_path)
    record = json.loads((tmp_path / "student.json").read_text())
    assert record["note"] == "0 of 120 labels are kept: too few to learn from"
    generator = json.loads((made / "seed=1/generator.json").read_text())
    generator["accuracy"] = {"1e-09": 0.25, "0.6": 0.5}
    spec = {"arms": ["oracle"], "seeds": [1], "tolerance": 1e-9, "controls": {}}
    tables = findings.tables(spec, [generator, record])
    assert tables["accuracy"].query("arm == 'oracle'")["value"].isna().all()
    assert tables["ranking"]["rho"].isna().all()
    assert "too few" in findings.sentences(spec, tables)[-1]
    tables["decoding"] = pd.read_csv(made / "findings/decoding.csv").assign(tolerance=1e-9)
    for draw in figures.FIGURES.values():
        assert draw(tables, spec).axes


def test_comparisons_are_within_seeds() -> None:
    def record(seed: int, value: float, arm: str | None = None) -> dict[str, Any]:
        curve = [{"step": 1, "validation": 1.0}]
        found = {"seed": seed, "accuracy": {"0.1": value}, "undecodable": 0.0, "curve": curve}
        return found | ({"arm": arm} if arm else {})

    spec = {"arms": ["one"], "seeds": [1, 2, 3], "tolerance": 0.1, "controls": {}}
    records = [record(1, 0.1), record(2, 0.4), record(3, 0.7)]
    records += [record(1, 0.2, "one"), record(2, 0.51, "one"), record(3, 0.79, "one")]
    found = findings.tables(spec, records)["comparisons"].iloc[0]
    assert (found["arm"], found["against"], found["seeds"]) == ("one", "generator", 3)
    assert found["difference"] == pytest.approx(0.1)
    assert found["low"] > 0.07  # seeds differ in level, not in what the arm does
    assert found["p"] < 0.01


def test_published_figures_are_beside_the_same_decoding(tmp_path: Path) -> None:
    published = pd.read_csv(STUDIES.parent / "reference/eigenvalues.csv")
    assert sorted(published["value"]) == [0.192, 0.202, 0.604]
    assert published["source"].str.contains("2406.07515").all()
    at = {"accuracy": {"0.01": 0.5}}
    record = {
        "seed": 1,
        "decoding": [
            {"decoding": "greedy", "candidates": 1, **at},
            {"decoding": "best of beams", "candidates": 50, **at},
            {"decoding": "best of beams", "candidates": 2, **at},
        ],
    }
    spec = {"arms": [], "seeds": [1], "tolerance": 0.01, "controls": {}}
    found = findings.tables(spec, [record], published)["decoding"]
    assert found["published"].iloc[:2].tolist() == [0.202, 0.604]
    assert found["published"].isna().iloc[2]


def test_the_presets_load_and_paper_scale_is_the_papers() -> None:
    laptop = eigenvalue_study.load(
        yaml_files.read(STUDIES / "eigenvalues.yaml"), "eigenvalues.yaml"
    )
    assert len(laptop.seeds) >= 3
    paper = eigenvalue_study.load(yaml_files.read(STUDIES / "eigenvalues-paper.yaml"), "paper.yaml")
    asked = paper.eigenvalues
    assert (asked.problem.size, asked.network.dimension, asked.labels.candidates) == (5, 512, 50)
    assert asked.generator.examples == 200_000
    assert asked.labels.greedy == 10_000_000
    assert asked.reference and (STUDIES.parents[1] / asked.reference).is_file()
    assert set(laptop.eigenvalues.arms) & set(asked.arms) >= {"unverified", "best-of-beams"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (("problem", "encoding"), "P100", "eigenvalues.problem.encoding"),
        (("problem", "tolerance"), 0.1, "one of problem.tolerances"),
        (
            ("arms", "random"),
            {"labels": "greedy", "match_keep_rate": "missing"},
            "'missing' is not an arm",
        ),
        (("arms", "generator"), {"labels": "greedy"}, "the name 'generator' is reserved"),
        (("arms", "x"), {"labels": "guessed"}, "eigenvalues.arms.x.labels"),
        (("labels", "candidates"), 1, "eigenvalues.labels.candidates"),
    ],
)
def test_an_invalid_value_is_reported(key: tuple[str, str], value: object, message: str) -> None:
    changed = json.loads(json.dumps(SMALL))
    changed["eigenvalues"][key[0]][key[1]] = value
    with pytest.raises(ConfigError, match=r"my\.yaml: ") as caught:
        eigenvalue_study.load(changed, "my.yaml")
    assert message in str(caught.value)


def test_a_study_of_eigenvalues_has_no_cells_to_plan() -> None:
    with pytest.raises(ConfigError, match="study of eigenvalues, without cells"):
        preflight.study_of([str(STUDIES / "eigenvalues.yaml")], [])
