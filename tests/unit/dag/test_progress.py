"""Progress counts a cell when all its probes are there."""

from pathlib import Path
from typing import Any

import pytest

from manybaskets.config.validation import load
from manybaskets.dag import progress
from manybaskets.study.layout import Study


def test_a_cell_is_done_when_every_probe_is(
    study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = Study(load(study_config, "my.yaml"))
    assert progress.cells_done(study) == 0
    folder = tmp_path / study.path(study.cells[0].path)
    folder.mkdir(parents=True)
    for number, probe in enumerate(study.probes(), start=1):
        (folder / f"{probe}.json").write_text("{}")
        assert progress.cells_done(study) == (number == len(study.probes()))
