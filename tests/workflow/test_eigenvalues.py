"""A study of eigenvalues through Snakemake: every job once, and again only where it is touched."""

from pathlib import Path

import pytest
import yaml

from tests.support.eigenvalue_study import SMALL
from tests.support.paths import ROOT
from tests.support.workflow import snakemake

PRESET = ROOT / "resources/studies/eigenvalues.yaml"
MICRO = ROOT / "resources/studies/micro/eigenvalues.yaml"
ARMS = {"unverified": {"labels": "greedy"}, "best": {"labels": "samples", "choose": "oracle"}}


def written(folder: Path, name: str, **changed: object) -> str:
    """A study of two arms and one seed."""
    settings = SMALL["eigenvalues"] | {"arms": ARMS} | changed
    (folder / name).write_text(yaml.safe_dump(SMALL | {"seeds": [1], "eigenvalues": settings}))
    return name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("eigenvalues with spaces")
    done = snakemake(directory, "--configfile", written(directory, "small.yaml"))
    assert done.returncode == 0, done.stdout[-3000:]
    return directory


def test_every_job_has_its_files(made: Path) -> None:
    folder = made / "results/small/eigenvalues"
    assert (folder / "findings/arms.svg").stat().st_size > 5000
    assert {path.parent.name for path in folder.rglob("student.json")} == set(ARMS)
    assert not list(made.rglob("*.unfinished"))


def test_a_change_of_one_arm_trains_that_arm_again(made: Path) -> None:
    same = snakemake(made, "--configfile", "small.yaml", "--dry-run")
    assert "Nothing to be done" in same.stdout
    arms = ARMS | {"unverified": {"labels": "greedy", "keep": [1, 0.5]}}
    name = written(made, "changed.yaml", arms=arms)
    done = snakemake(made, "--configfile", name, "--dry-run", "--quiet", "host")
    assert done.stdout.count("rule eigen_student:") == 1
    assert "seed=1/unverified/student.json" in done.stdout
    assert "rule eigen_generator:" not in done.stdout
    assert "rule eigen_labels:" not in done.stdout


def test_other_student_settings_leave_the_generator(made: Path) -> None:
    student = SMALL["eigenvalues"]["student"] | {"steps": 21}
    name = written(made, "longer.yaml", student=student)
    done = snakemake(made, "--configfile", name, "--dry-run", "--quiet", "host")
    assert done.stdout.count("rule eigen_student:") == len(ARMS)
    assert "rule eigen_labels:" not in done.stdout


def test_the_presets_plan_every_arm_of_every_seed(tmp_path: Path) -> None:
    files = ("--configfile", str(PRESET), str(MICRO))
    done = snakemake(tmp_path, *files, "--dry-run", "--quiet", "host")
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count("rule eigen_student:") == 2 * 10
    paper = ROOT / "resources/studies/eigenvalues-paper.yaml"
    done = snakemake(tmp_path, "--configfile", str(paper), "--dry-run", "--quiet", "host")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "resources/reference/eigenvalues.csv" in done.stdout


def test_a_mistake_ends_before_anything_is_computed(tmp_path: Path) -> None:
    name = written(tmp_path, "bad.yaml", arms={"x": {"labels": "guessed"}})
    done = snakemake(tmp_path, "--configfile", name)
    assert done.returncode != 0
    assert "eigenvalues.arms.x.labels" in done.stdout
    assert not (tmp_path / "results").exists()
