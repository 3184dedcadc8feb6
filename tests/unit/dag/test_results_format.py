"""Results of another version are reported and left as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.main import main
from manybaskets.config import validation
from manybaskets.config.base import ConfigError
from manybaskets.dag import locks, preflight, results_format
from manybaskets.files import write_json
from manybaskets.study.layout import Study

RECORD = {  # as manybaskets 0.1 wrote it
    **{"stage": "yardstick", "wildcards": {}, "description": {}, "fingerprint": "0" * 32},
    **{"inputs": {}, "outputs": {}, "digest": "0" * 32, "reproducible": True, "seconds": 1.0},
}


@pytest.fixture
def old_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 0.1: the config as it was, without a format, and one record."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "results/micro"
    write_json(root / "study.json", {"study": "micro", "training": {"accumulation": 1}})
    write_json(root / "records/yardstick.json", RECORD)
    return root


def content(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_run_refuses_results_of_0_1_and_changes_nothing(
    old_results: Path, study_config: dict[str, Any]
) -> None:
    before = content(old_results)
    with pytest.raises(ConfigError, match=r"results of manybaskets 0\.1.*Nothing was changed.*mv "):
        preflight.checked_study(study_config, [])
    assert content(old_results) == before


def test_status_reports_results_of_0_1(
    old_results: Path,
    study_config: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_json(Path("mine.yaml"), study_config)
    monkeypatch.setattr("sys.argv", ["manybaskets", "status", "--configfile", "mine.yaml"])
    assert main() == 2
    message = capsys.readouterr().err
    assert "results/micro: this folder contains results of manybaskets 0.1" in message
    assert "move the folder (mv results/micro results/micro-old)" in message


def test_a_job_refuses_results_of_0_1(old_results: Path) -> None:
    with pytest.raises(ConfigError, match=r"manybaskets 0\.1"):
        locks.running_study(old_results)


def test_a_record_of_0_1_is_enough(old_results: Path) -> None:
    (old_results / "study.json").unlink()
    assert results_format.format_of(old_results) == results_format.FIRST
    (old_results / "records/yardstick.json").write_text("{")
    assert results_format.format_of(old_results) is None


def test_results_of_a_later_version_are_refused(old_results: Path) -> None:
    write_json(old_results / "study.json", {"format": results_format.FORMAT + 1})
    with pytest.raises(ConfigError, match=r"another version \(format 3\)"):
        results_format.check(old_results)


def test_a_study_file_of_this_version_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study_config: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = Study(validation.load(study_config, "micro.yaml"))
    results_format.check(Path(study.root))  # no folder yet
    locks.settle(study)
    written = json.loads((Path(study.root) / "study.json").read_text())
    assert written["format"] == results_format.FORMAT
    assert locks.running_study(Path(study.root)).config == study.config
