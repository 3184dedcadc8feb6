"""`manybaskets plan` takes configs as Snakemake does, and refuses what no job makes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command_line import run


@pytest.fixture
def configs(tmp_path: Path, study_config: dict[str, Any]) -> list[str]:
    rows = [{"instruction": f"i {n}", "output": f"the answer {n}"} for n in range(50)]
    (tmp_path / "human.json").write_text(json.dumps({"data": rows}))
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(yaml.safe_dump(study_config))
    file = {"docs": None, "file": str(tmp_path / "human.json")}
    second.write_text(yaml.safe_dump({"study": "second", "dataset": file}))
    return [str(first), str(second)]


@pytest.mark.parametrize("joined", [True, False])
def test_several_configs_are_laid_on_each_other(
    configs: list[str],
    joined: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = configs
    given = [first, second] if joined else [first, "--configfile", second]
    assert not run(monkeypatch, "plan", "--configfile", *given)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("second: ")
    (summary,) = (line for line in lines if line.startswith("dataset.file: "))
    assert "JSON object, UTF-8; prompt and response (prompt: instruction" in summary
    assert summary.endswith("50 rows")


def test_a_target_that_no_job_makes_is_refused(
    configs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "plan", "nonsense.txt", "--configfile", *configs) == 2
    assert "nonsense.txt: the study makes no such file" in capsys.readouterr().err


def test_a_file_and_a_folder_of_the_study_are_targets(
    configs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for target in ("data/train.jsonl", "cells/wren/human/seed=1/adapter/"):
        assert not run(monkeypatch, "plan", f"results/second/{target}", "--configfile", *configs)
        assert "would run" in capsys.readouterr().out


def test_a_config_that_does_not_exist_is_named(
    configs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "plan", "--configfile", configs[0], "nowhere.txt") == 2
    assert "nowhere.txt: there is no such file" in capsys.readouterr().err
