"""`manybaskets doctor` shows how files are understood."""

import json
from pathlib import Path

import pytest
import yaml

from tests.support.command_line import run

TURNS = [
    {"role": "system", "content": "sort the list"},
    {"role": "user", "content": "return a copy"},
    {"role": "assistant", "content": "each value in the table"},
    {"role": "user", "content": "sort the rows"},
    {"role": "assistant", "content": "a copy of the list"},
]


def _lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> list[str]:
    assert not run(monkeypatch, "doctor", *arguments)
    return capsys.readouterr().out.splitlines()


def _jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_format_shape_fields_and_rows_left_out_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "instruction": "Name a bird of the sea.",
        "input": "",
        "output": "It is the gull.",
        "n": 1,
    }
    path = _jsonl(tmp_path / "rows.jsonl", row, row, {**row, "output": None})
    text = "\n".join(" ".join(line.split()) for line in _lines(monkeypatch, capsys, path))
    assert "format JSON lines, UTF-8" in text
    assert "shape Alpaca" in text
    assert "text after the prompt input" in text
    assert "not used n" in text
    assert "rows 3, with 1 different prompts" in text
    assert "languages en 100 % (of 2 rows)" in text
    assert "left out 1 rows: the field 'output' contains null" in text and "(first: line 3)" in text
    assert "assistant: [It is the gull.]" in text


def test_exactly_the_response_and_its_end_carry_the_loss(
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = _jsonl(tmp_path / "rows.jsonl", {"messages": TURNS[1:]}, {"messages": TURNS[1:]})
    lines = _lines(monkeypatch, capsys, path, "--model", tiny_model)
    example = "\n".join(lines[-12:])
    marked = example[example.index("[", example.index("brackets]") + 9) :]
    assert marked.startswith("[a copy of the list")
    assert "[each value" not in example


def test_named_fields_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _jsonl(tmp_path / "rows.jsonl", {"a": {"b": "Name a bird."}, "c": "The gull."})
    lines = _lines(monkeypatch, capsys, path, "--fields", "prompt=a.b", "--fields", "response=c")
    assert any("named fields" in line for line in lines)
    assert any("assistant: [The gull.]" in line for line in lines)


def test_all_files_of_a_config_are_shown(
    tmp_path: Path,
    study_config: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [{"prompt": f"p {n}", "response": f"the answer {n}"} for n in range(50)]
    human, old = _jsonl(tmp_path / "human.jsonl", *rows), _jsonl(tmp_path / "old.jsonl", *rows)
    study_config["dataset"] = {"file": str(human), "train": 40, "test": 10}
    study_config["sources"] = {"old": {"recorded": str(old)}}
    study_config["mixes"] = {"old": {"origins": {"old": 1.0}}}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(study_config))
    lines = _lines(monkeypatch, capsys, config)
    assert f"dataset: {human}" in lines
    assert f"sources.old: {old}" in lines


def test_an_unknown_meaning_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _jsonl(tmp_path / "rows.jsonl", {"prompt": "a", "response": "b"})
    assert run(monkeypatch, "doctor", str(path), "--fields", "colour=prompt") == 2
    assert "known names are prompt, response" in capsys.readouterr().err
