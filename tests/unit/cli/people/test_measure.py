"""`manybaskets measure`: any file of responses, as people call it."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.people import _duration
from manybaskets.cli.people.measure import matched
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
    assert found["prompt_vendi_1"]["excluded"] == 22
    assert 1 < found["prompt_vendi_1"]["value"] < 3
    once = write(tmp_path / "once.jsonl", answers(25))
    assert run(monkeypatch, "measure", once, *SMALL, "--by", "prompt") == 2
    assert "no prompt occurs twice" in capsys.readouterr().err


def test_a_field_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "o.jsonl", [{"ask": "x", "say": "y"}])
    assert run(monkeypatch, "measure", path) == 2
    assert "the rows have ask, say" in capsys.readouterr().err
    assert run(monkeypatch, "measure", path, "--response", "said") == 2
    assert "the field 'said' is missing" in capsys.readouterr().err
    assert run(monkeypatch, "measure", path.with_name("not-there.jsonl")) == 2
    assert run(monkeypatch, "measure", write(path, answers(3)), "--documents", 1) == 2
    assert "documents is 1 (at least 2)" in capsys.readouterr().err


@pytest.mark.parametrize("value", [None, float("nan"), 7, ["text"], {"text": "text"}])
def test_values_that_are_not_texts_are_counted_and_in_no_metric(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: Any,
) -> None:
    options = (*SMALL, "--embedder", "none", "--json")
    assert run(monkeypatch, "measure", write(tmp_path / "a.jsonl", answers(25)), *options) == 0
    expected = json.loads(capsys.readouterr().out)
    rows = [{"prompt": "p", "response": value}, *answers(25)]
    assert run(monkeypatch, "measure", write(tmp_path / "b.jsonl", rows), *options) == 0
    output = capsys.readouterr()
    assert "26 rows, 1 without a response (the first: " in output.err
    assert "b.jsonl, line 1: the field 'response' contains" in output.err
    actual = json.loads(output.out)
    for metric in ("self_bleu", "mean_words", "empty_rate"):
        assert actual[metric]["value"] == expected[metric]["value"]
        assert actual[metric]["excluded"] == expected[metric]["excluded"] + 1


def alpaca(order: list[int]) -> list[dict[str, str]]:
    rows = [
        {"instruction": f"Task {i % 3}", "input": f"Input {i}", "output": text}
        for i, text in enumerate(words(30, 12, 50, 0))
    ]
    return [rows[i] for i in order]


def test_one_instruction_with_other_inputs_is_another_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    human = tmp_path / "human.json"
    human.write_text(json.dumps(alpaca(list(range(30)))), encoding="utf-8")
    assert run(monkeypatch, "measure", human, *SMALL, "--by", "prompt") == 2
    assert "no prompt occurs twice" in capsys.readouterr().err
    model = tmp_path / "model.json"
    model.write_text(json.dumps(alpaca(list(range(29, -1, -1)))), encoding="utf-8")
    for more in ((), ("--response", "output")):
        options = (*SMALL, "--embedder", "none", "--json", *more)
        assert run(monkeypatch, "measure", model, "--against", human, *options) == 0
        output = capsys.readouterr()
        assert json.loads(output.out)["js_words"]["value"] == 0  # pairs of equal texts
        assert json.loads(output.out)["mean_words"]["n"] == 30
        assert "30 responses are compared with the human response" in output.err


def test_rows_without_prompts_have_no_diversity_within_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "r.jsonl", [{"response": row["response"]} for row in answers(25)])
    assert run(monkeypatch, "measure", path, *SMALL, "--embedder", "none") == 0
    assert run(monkeypatch, "measure", path, *SMALL, "--by", "prompt") == 2
    assert "rows have no prompt" in capsys.readouterr().err


def test_the_same_prompts_are_held_against_each_other() -> None:
    rows = [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")]
    human = [("c", "h3"), ("a", "h1"), ("d", "h4")]
    assert matched(rows, human, 2) == ([("a", "1"), ("c", "3")], [("a", "h1"), ("c", "h3")], True)
    assert matched(rows, human, 3) == (rows, human, False)
    assert matched(rows, None, 1) == (rows, [], False)


def test_several_rows_of_a_prompt_are_several_samples() -> None:
    rows = [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")]
    human = [("a", "h1"), ("b", "h3"), ("a", "h2")]
    of_model, of_human, paired = matched(rows, human, 3)
    assert paired and [text for _, text in of_model] == ["1", "2", "3"]
    assert [text for _, text in of_human] == ["h1", "h2", "h3"]


def test_several_files_are_shown_side_by_side_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [write(tmp_path / f"{n}.jsonl", answers(30, seed=n)) for n in range(2)]
    human = write(tmp_path / "human.jsonl", answers(30, seed=2))
    options = (*SMALL, "--embedder", "none", "--against", human)
    alone = []
    for path in paths:
        assert run(monkeypatch, "measure", path, *options, "--json") == 0
        alone.append(json.loads(capsys.readouterr().out))
    assert run(monkeypatch, "measure", *paths, *options, "--json") == 0
    assert json.loads(capsys.readouterr().out) == dict(
        zip(["0.jsonl", "1.jsonl"], alone, strict=True)
    )
    figure = tmp_path / "out.svg"
    assert run(monkeypatch, "measure", *paths, *options, "--plot", figure) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[0].split() == ["metric", "0.jsonl", "1.jsonl"]
    bleu = next(line for line in lines if line.startswith("self_bleu "))
    assert [float(value) for value in bleu.replace("±", "").split()[1::2]] == [
        float(f"{of_file['self_bleu']['value']:.4g}") for of_file in alone
    ]
    heaps = next(line for line in lines if line.startswith("heaps_exponent "))
    assert heaps.split()[1:] == heaps.split()[1:3] * 2 and heaps.split()[1] == "–"
    assert output.err.count("This takes about ") == 1
    drawn = figure.read_text(encoding="utf-8")
    assert "self-BLEU" in drawn and "1.jsonl" in drawn
    assert run(monkeypatch, "measure", *paths, *options, "--plot", tmp_path / "out.doc") == 2
    assert "name a file that ends in .svg, .png, .pdf" in capsys.readouterr().err


def test_an_estimate_of_the_time_grows_with_the_files() -> None:
    design = subsampling.Design(20, 8, 200, 0)
    texts = words(2_000, 12, 50, 0)
    one, four = (_duration._seconds_of_words([texts] * n, design) for n in (1, 4))
    assert four > 2 * one > 0
    assert [_duration.duration(s) for s in (1, 31, 60, 150, 9000)] == [
        *("5 seconds", "30 seconds", "1 minute", "2 minutes", "2.5 hours")
    ]
