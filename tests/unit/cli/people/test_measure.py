"""`manybaskets measure`: any file of responses, as people call it."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.people.measure import matched, read_rows
from manybaskets.probes.collapse import subsampling
from tests.support.command_line import run
from tests.support.paths import DATA
from tests.support.texts import words

SMALL = ("--documents", 20, "--tokens", 8, "--subsamples", 3)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def answers(n: int, seed: int = 0) -> list[dict[str, Any]]:
    texts = words(n, 12, 50, seed)
    return [{"prompt": f"prompt {i}", "response": text} for i, text in enumerate(texts)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_values_are_those_of_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = answers(40)
    path = write(tmp_path / "r.jsonl", rows)
    assert run(monkeypatch, "measure", path, *SMALL, "--embedder", "none", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    design = subsampling.Design(20, 8, 3, 0)
    for m in subsampling.measure_words([row["response"] for row in rows], None, False, design):
        assert found[m.metric]["value"] == m.value
        assert found[m.metric]["spread"] == m.spread
        assert found[m.metric]["subsamples"] == m.subsamples
        assert found[m.metric]["meaning"]
    assert found["self_bleu"]["parameters"]["documents"] == 20


@pytest.mark.slow
def test_a_person_reads_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "r.jsonl", answers(30))
    other = write(tmp_path / "h.jsonl", answers(30, seed=1))
    assert run(monkeypatch, "measure", path, *SMALL, "--against", other) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["metric", "value", "±", "sd", "n"]
    names = {line.split()[0] for line in lines[2:] if line}
    assert {"self_bleu", "js_words", "vendi_1", "mmd2", "recall", "mauve"} <= names
    heaps = next(line for line in lines if line.startswith("heaps_exponent"))
    assert "–" in heaps and "1000 tokens" in heaps


@pytest.mark.slow
def test_remarks_name_the_language_of_other_texts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "measure", DATA / "chinese/near.jsonl", *SMALL) == 0
    lines = capsys.readouterr().out.splitlines()
    remark = next(line for line in lines if line.startswith("ead_1, "))
    assert remark.endswith("are single characters of a script without spaces.")
    vendi = next(line for line in lines if line.startswith("vendi_1 "))
    assert "0 of 60 responses are not empty and of words that the embedder knows" in vendi
    assert "100% of the responses are in other languages (zh)" in vendi


@pytest.mark.slow
def test_variety_within_prompts_needs_prompts_that_occur_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    again = [*answers(25), *answers(25, seed=1), *answers(3, seed=2)]
    path = write(tmp_path / "r.jsonl", again)
    assert run(monkeypatch, "measure", path, *SMALL, "--by", "prompt", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["prompt_vendi_1"]["n"] == 3  # those with most responses
    assert 1 < found["prompt_vendi_1"]["value"] < 3
    once = write(tmp_path / "once.jsonl", answers(25))
    assert run(monkeypatch, "measure", once, *SMALL, "--by", "prompt") == 2
    assert "no prompt occurs twice" in capsys.readouterr().err


def test_fields_go_by_the_names_that_are_usual(tmp_path: Path) -> None:
    alpaca = write(tmp_path / "a.jsonl", [{"instruction": "do", "output": "done"}])
    assert read_rows(alpaca, None, None) == [("do", "done")]
    gsm = write(tmp_path / "g.jsonl", [{"question": "1+1", "answer": "2"}])
    assert read_rows(gsm, None, None) == [("1+1", "2")]
    own = write(tmp_path / "o.jsonl", [{"ask": "x", "say": "y"}])
    assert read_rows(own, "ask", "say") == [("x", "y")]


def test_a_field_that_is_not_there_or_no_text_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "o.jsonl", [{"ask": "x", "say": "y"}])
    assert run(monkeypatch, "measure", path) == 2
    assert "its fields are ask, say" in capsys.readouterr().err
    path = write(tmp_path / "n.jsonl", [{"response": "y"}, {"response": None}])
    assert run(monkeypatch, "measure", path) == 2
    assert "n.jsonl, row 2: 'response' is NoneType" in capsys.readouterr().err
    assert run(monkeypatch, "measure", path.with_name("not-there.jsonl")) == 2
    assert run(monkeypatch, "measure", write(path, answers(3)), "--documents", 1) == 2
    assert "documents is 1 (at least 2)" in capsys.readouterr().err


def test_the_same_prompts_are_held_against_each_other() -> None:
    rows = [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")]
    human = [("c", "h3"), ("a", "h1"), ("d", "h4")]
    assert matched(rows, human, 2) == ([("a", "1"), ("c", "3")], [("a", "h1"), ("c", "h3")], True)
    assert matched(rows, human, 3) == (rows, human, False)
    assert matched(rows, None, 1) == (rows, [], False)
