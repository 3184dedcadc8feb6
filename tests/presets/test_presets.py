"""Every preset runs to its end for real, with tiny models: all conditions, all probes."""

import csv
import os
import time
from pathlib import Path

import pytest

from manybaskets.config import yaml_files
from manybaskets.dag.preflight import study_of
from tests.support.paths import ROOT
from tests.support.workflow import snakemake

STUDIES = ROOT / "resources" / "studies"
MOST_SECONDS = 360  # on two cores
# Where others use the machine, nothing is timed; asked before the first preset makes a load.
IS_QUIET = os.getloadavg()[0] < 0.5


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


MICRO = [
    path
    for path in sorted(STUDIES.glob("micro/*.yaml"))
    if not {"theory", "eigenvalues"} & yaml_files.read(STUDIES / path.name).keys()
]


@pytest.mark.parametrize("overlay", MICRO, ids=lambda p: p.stem)
def test_a_preset_runs_to_its_end(overlay: Path, tmp_path: Path) -> None:
    files = [str(STUDIES / overlay.name), str(overlay)]
    (tmp_path / "tests").symlink_to(ROOT / "tests")  # presets name files as seen from there
    start = time.monotonic()
    done = snakemake(tmp_path, "--cores", "2", "--configfile", *files)
    took = time.monotonic() - start
    assert done.returncode == 0, done.stdout[-6000:]
    print(f"{overlay.stem}: {took:.0f} s")
    study = study_of(files, [])
    results = tmp_path / study.root
    assert (results / "report.html").is_file()
    found = rows(results / "findings/measurements.csv")
    columns = ("target", "mix", "seed", "generation")
    measured = {(*(row[name] for name in columns), row["probe"]) for row in found}
    assert measured >= {
        (cell.target, cell.mix, str(cell.seed), str(cell.generation), probe)
        for cell in study.cells
        for probe in study.probes()
    }
    for row in found:
        assert row["value"] or row["note"], row
    compared = rows(results / "findings/comparison.csv")
    assert bool(compared) == (study.config.reference is not None)
    if compared:
        assert "Published numbers" in (results / "report.html").read_text(encoding="utf-8")
    if IS_QUIET:
        assert took < MOST_SECONDS, f"{took:.0f} s"
