"""A study of theory through Snakemake: tables and figures, computed once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.workflow import snakemake

PRESET = str(ROOT / "resources/studies/verification.yaml")
SMALL = """
theory:
  ridge: {dimension: 10, sizes: [20, 40], noise: [0.2, 0.8], keep: [[1, 1]], repetitions: 3}
  agreement: null
  logistic: null
  directions: null
  geometry: {generators: [0.1], points: 3}
  gaussian_loops: null
  regression_loops: {rows: 20, dimension: 2, generations: 3, repetitions: 3}
"""


@contextmanager
def running_lock(root: Path) -> Iterator[None]:
    """As if another process ran the study."""
    (root / "records").mkdir(parents=True)
    with (root / "records/run.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("theory with spaces")
    (directory / "small.yaml").write_text(SMALL)
    done = snakemake(directory, "--configfile", PRESET, "small.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    return directory


def test_every_part_has_its_table_and_figure(made: Path) -> None:
    found = {path.name for path in (made / "results/verification/theory").iterdir()}
    parts = ("ridge", "geometry", "regression_loops")
    assert found == {f"{part}.{kind}" for part in parts for kind in ("csv", "svg", "png")}


def test_a_change_computes_the_part_it_touches_again(made: Path) -> None:
    same = snakemake(made, "--configfile", PRESET, "small.yaml", "--dry-run")
    assert "Nothing to be done" in same.stdout
    (made / "changed.yaml").write_text(SMALL.replace("points: 3", "points: 4"))
    done = snakemake(made, "--configfile", PRESET, "changed.yaml", "--dry-run", "--quiet", "host")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "theory/geometry.csv" in done.stdout
    assert done.stdout.count("rule compute:") == 1


def test_the_second_of_two_runs_is_told_and_computes_nothing(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with running_lock(tmp_path / "results/verification"):
        done = snakemake(tmp_path, "--configfile", PRESET, "small.yaml")
    assert done.returncode != 0
    assert "is already running" in done.stdout
    assert not (tmp_path / "results/verification/theory").exists()


def test_a_mistake_ends_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("theory: {geometry: {generators: []}}")
    done = snakemake(tmp_path, "--configfile", PRESET, "bad.yaml")
    assert done.returncode != 0
    assert "theory.geometry.generators" in done.stdout
    assert not (tmp_path / "results").exists()
