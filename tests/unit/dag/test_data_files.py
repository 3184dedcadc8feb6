"""Checks of files of rows; those of large files are kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.config import validation
from manybaskets.dag import data_files
from manybaskets.dag.data_files import Checked
from manybaskets.stages import content
from manybaskets.study.layout import Study

ROWS = [{"prompt": f"p {n}", "response": f"the answer {n}"} for n in range(60)]


def _checked(config: dict[str, Any]) -> Checked:
    return data_files.check(Study(validation.load(config, "config")))


@pytest.fixture
def config(tmp_path: Path, study_config: dict[str, Any]) -> dict[str, Any]:
    for name in ("human", "old"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    dataset = {"file": str(tmp_path / "human.jsonl"), "train": 40, "test": 20}
    sources = {"old": {"recorded": str(tmp_path / "old.jsonl")}}
    mixes = {"human": {"origins": {"human": 1.0}}, "old": {"origins": {"old": 1.0}}}
    return {**study_config, "dataset": dataset, "sources": sources, "mixes": mixes}


def test_a_whole_file_has_no_problem_and_a_summary(config: dict[str, Any]) -> None:
    problems, notes, summary = _checked(config)
    assert (problems, notes) == ([], [])
    assert [line.partition(":")[0] for line in summary] == ["sources.old.recorded", "dataset.file"]


def test_duplicates_and_rows_left_out_are_counted(config: dict[str, Any], tmp_path: Path) -> None:
    rows = [*ROWS, ROWS[0], {"prompt": "p", "response": None}]
    path = tmp_path / "human.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems = _checked(config).problems
    assert problems[0][0] == "dataset.file" and "line 62" in problems[0][1]
    config["dataset"]["incomplete_rows"] = "drop"
    problems, notes, summary = _checked(config)
    assert problems == []
    assert "line 62: the field 'response' contains null" in notes[0]
    assert summary[-1].endswith("61 rows, 1 duplicates of a prompt left out")


@pytest.mark.parametrize("value", [["a", "b"], None, " "])
def test_a_source_without_any_text_is_refused(
    config: dict[str, Any], tmp_path: Path, value: object
) -> None:
    rows = [{**row, "response": value} for row in ROWS]
    path = tmp_path / "old.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ((key, text),) = _checked(config).problems
    assert key == "sources.old.recorded" and "no response is a text" in text


def test_recorded_samples_are_counted(config: dict[str, Any], tmp_path: Path) -> None:
    config["mixes"]["old"]["select"] = {"verifier": {"by": "length"}, "best_of": 2}
    notes = _checked(config).notes
    assert "40 of 40 prompts have fewer than the 2 responses" in notes[0]
    lines = (tmp_path / "old.jsonl").read_text()
    (tmp_path / "old.jsonl").write_text(lines * 2)
    assert _checked(config).notes == []


def test_the_check_of_a_large_file_is_kept_until_it_changes(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "LARGE", 100)
    first = _checked(config)
    runs = []
    monkeypatch.setattr(data_files, "_checked", lambda study: runs.append(study) or first)
    assert _checked(config) == first
    assert runs == []
    with (tmp_path / "old.jsonl").open("a") as file:
        file.write(json.dumps(ROWS[0]) + "\n")
    _checked(config)
    assert len(runs) == 1


def test_a_kept_hash_is_that_of_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "LARGE", 1)
    path = tmp_path / "rows"
    path.write_text("one")
    os.utime(path, (1, 1))
    one = content.content_hash(path)
    assert content.content_hash(path) == one
    assert list((tmp_path / "cache").rglob("*.json"))
    path.write_text("two")
    os.utime(path, (1, 1))  # size and time of modification as before
    assert content.content_hash(path) != one


def test_nothing_is_kept_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert content.kept("checks", "key", lambda: 1) == 1
    assert content.kept("checks", "key", lambda: 2) == 2
