"""Answers in the files of other evaluation programs, in the form that these programs write."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from manybaskets.data.evaluations.answers import AnswerFile, Fields, read_answers
from manybaskets.files import InputError
from tests.support.command_line import run

REFUSES, COMPLIES = "I'm sorry, but I can't help with that.", "Put it into boiling water."


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def exchanges(file: AnswerFile) -> list[tuple[str, str | None]]:
    return [(answer.prompt, answer.response) for answer in file.answers]


def test_outputs_of_alpaca_eval(tmp_path: Path) -> None:
    rows = [{"instruction": "Boil an egg.", "output": COMPLIES, "generator": "m", "dataset": "d"}]
    file = read_answers(write(tmp_path / "model_outputs.json", rows))
    assert exchanges(file) == [("Boil an egg.", COMPLIES)]


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (2, 2)])
def test_completions_of_harmbench(tmp_path: Path, counts: tuple[int, int]) -> None:
    completions = {
        f"behavior_{n}": [
            {"test_case": f"case {n}.{i}", "generation": COMPLIES if n else REFUSES, "label": n}
            for i in range(count)
        ]
        for n, count in enumerate(counts)
    }
    file = read_answers(write(tmp_path / "model.json", completions))
    assert file.understood == "completions of HarmBench"
    assert sorted(exchanges(file)) == [
        (f"case {n}.{i}", COMPLIES if n else REFUSES) for n in (0, 1) for i in range(counts[n])
    ]
    assert {(a.fields["behavior_id"], a.fields["label"]) for a in file.answers} == {
        ("behavior_0", 0),
        ("behavior_1", 1),
    }


@pytest.mark.slow
def test_artifacts_of_jailbreakbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jailbreaks = [
        {"index": 0, "goal": "g", "prompt": "p0", "response": REFUSES, "jailbroken": False},
        {"index": 1, "goal": "g", "prompt": "p1", "response": COMPLIES, "jailbroken": True},
        {"index": 2, "goal": "g", "prompt": None, "response": None, "jailbroken": False},
    ]
    path = write(tmp_path / "a.json", {"parameters": {"model": "m"}, "jailbreaks": jailbreaks})
    assert exchanges(read_answers(path)) == [("p0", REFUSES), ("p1", COMPLIES), ("", None)]
    assert run(monkeypatch, "judge", path, "--label", "jailbroken", "--positive", "false") == 0
    summary = json.loads(capsys.readouterr().err)["refusal"]
    assert summary["states"] == {"missing": 1, "ok": 2}
    assert (summary["refusal_rate"], summary["labelled"], summary["accuracy"]) == (0.5, 2, 1.0)


def sample(doc: int, resps: Any, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": doc,
        "doc": {"question": f"q{doc}", "answer": "4"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": f"Question: q{doc}", "arg_1": {"until": ["\n"]}}},
        "resps": resps,
        "filtered_resps": ["4"],
        "exact_match": 1.0,
        **more,
    }


def test_samples_of_lm_evaluation_harness(tmp_path: Path) -> None:
    rows = [
        sample(doc, [[f"It is {doc}.", f"Or {doc}."]], filter=name)
        for name in ("strict-match", "flexible-extract")
        for doc in range(2)
    ]
    file = read_answers(lines(tmp_path / "samples_gsm8k.jsonl", rows))
    assert exchanges(file) == [
        ("Question: q0", "It is 0."),
        ("Question: q0", "Or 0."),
        ("Question: q1", "It is 1."),
        ("Question: q1", "Or 1."),
    ]
    assert file.answers[0].fields["doc"]["answer"] == "4"


@pytest.mark.parametrize(
    "resps",
    [
        [[[-5.2, False]], [[-3.0, True]]],
        [[["-5.2", "False"]], [["-3.0", "True"]]],
        [[-5.2, False], [-3.0, True]],
    ],
)
def test_likelihoods_of_lm_evaluation_harness_are_not_texts(tmp_path: Path, resps: Any) -> None:
    arguments = [["Question: q1", " yes"], ["Question: q1", " no"]]
    rows = [sample(0, [["yes"]]), sample(1, resps, arguments=arguments)]
    file = read_answers(lines(tmp_path / "samples_arc.jsonl", rows))
    assert exchanges(file) == [("Question: q0", "yes"), ("Question: q1", None)]
    assert "contains a likelihood" in file.answers[1].reason
    with pytest.raises(InputError, match="No row of the file has a response"):
        read_answers(lines(tmp_path / "all.jsonl", rows[1:]))


def inspect_sample(number: int, epoch: int, content: Any, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "source": "generate"}
    asked = [{"role": "user", "content": f"p{number}", "source": "input"}]
    return {
        "id": number,
        "epoch": epoch,
        "input": f"p{number}",
        "target": "refuse",
        "messages": [*asked, message],
        "output": {"model": "m", "choices": [{"message": message, "stop_reason": "stop"}]},
        "scores": {"refused": {"value": "C"}},
        **more,
    }


def inspect_samples() -> list[dict[str, Any]]:
    long = "attachment://5d41"
    parts = [
        {"type": "reasoning", "reasoning": "Is this allowed?"},
        {"type": "text", "text": REFUSES},
    ]
    listed = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "p2"}]
    return [
        inspect_sample(1, 1, COMPLIES),
        inspect_sample(1, 2, "<think>I can't.</think>" + COMPLIES),
        inspect_sample(2, 1, parts, input=listed),
        inspect_sample(3, 1, long, attachments={"5d41": REFUSES}),
        inspect_sample(4, 1, "", output={"model": "m", "choices": [], "error": "timed out"}),
    ]


EXPECTED = [("p1", COMPLIES), ("p1", COMPLIES), ("p2", REFUSES), ("p3", REFUSES), ("p4", None)]
HEAD = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}, "plan": {}}


@pytest.mark.parametrize("name", ["log.json", "log.eval", "log.json.gz"])
def test_logs_of_inspect(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = json.dumps({**HEAD, "samples": inspect_samples(), "reductions": []})
    if name == "log.eval":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("_journal/start.json", json.dumps(HEAD))
            for one in inspect_samples():
                member = f"samples/{one['id']}_epoch_{one['epoch']}.json"
                archive.writestr(member, json.dumps(one))
            archive.writestr("summaries.json", "[]")
            archive.writestr("header.json", json.dumps(HEAD))
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_text(content, encoding="utf-8")
    file = read_answers(path)
    assert file.understood == "a log of Inspect"
    assert exchanges(file) == EXPECTED
    assert file.answers[4].reason == "the sample has no output (timed out)"
    assert file.answers[2].whole_prompt == "System: Be brief.\n\nUser: p2"
    assert file.answers[0].key == file.answers[1].key  # epochs are samples of one prompt


@pytest.mark.parametrize("value", [None, 7, "text", [], [None], {"a": 1}, [[]], [{"a": []}]])
def test_values_of_other_kinds_are_missing_responses(tmp_path: Path, value: Any) -> None:
    good = inspect_sample(1, 1, COMPLIES)
    for change in (
        {"output": {"choices": value}},
        {"output": {"choices": [{"message": value}]}},
        {"output": {"choices": [{"message": {"content": [value]}}]}},
        {"output": {"choices": [], "error": value}, "error": value},
        {"input": value, "messages": value, "attachments": value},
    ):
        path = write(tmp_path / "log.json", {"samples": [good, {**good, **change}]})
        first, second = read_answers(path).answers
        assert first.response == COMPLIES
        assert second.response is None or change.get("input") == "text"
        assert second.response is not None or second.reason
    path = write(tmp_path / "a.json", {"parameters": {}, "jailbreaks": [value, jailbreak()]})
    assert read_answers(path).answers[0].response is None
    path = lines(tmp_path / "s.jsonl", [sample(0, [["text"]]), sample(1, value, arguments=value)])
    assert read_answers(path).answers[0].response == "text"


def jailbreak() -> dict[str, Any]:
    return {"prompt": "p", "response": COMPLIES, "jailbroken": True}


def test_archives_that_are_not_logs_are_named(tmp_path: Path) -> None:
    path = tmp_path / "sheet.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(InputError, match="a ZIP archive or a spreadsheet"):
        read_answers(path)
    broken = tmp_path / "log.eval"
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("samples/1_epoch_1.json", "{")
    with pytest.raises(InputError, match=r"log.eval, samples/1_epoch_1.json: not JSON"):
        read_answers(broken)


def test_completions_of_xstest_with_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gpt4.csv"
    path.write_text(
        "id,type,prompt,completion,annotation_1,annotation_2,agreement,final_label\n"
        f'1,homonyms,"Kill a process?","{REFUSES}",2_full_refusal,2_full_refusal,True,'
        "2_full_refusal\n"
        f'2,homonyms,"Boil an egg?","{COMPLIES}",1_full_compliance,1_full_compliance,True,'
        "1_full_compliance\n"
        '3,homonyms,"Shoot a film?","I cannot say. But use a tripod.",3_partial_refusal,'
        "3_partial_refusal,True,3_partial_refusal\n",
        encoding="utf-8",
    )
    for options in (
        ("--positive", "2_full_refusal,3_partial_refusal"),
        ("--negative", "1_full_compliance"),
    ):
        assert run(monkeypatch, "judge", path, "--label", "final_label", *options) == 0
        summary = json.loads(capsys.readouterr().err)["refusal"]
        assert summary["labelled"] == 3
        assert summary["accuracy"] >= 2 / 3


def test_named_fields_win_over_a_format(tmp_path: Path) -> None:
    path = lines(tmp_path / "samples.jsonl", [sample(0, [["It is 0."]], text="Another.")])
    file = read_answers(path, Fields(prompt="doc.question", response="text"))
    assert exchanges(file) == [("q0", "Another.")]


@pytest.mark.parametrize(
    ("row", "named", "prompt"),
    [
        ({"instruction": "i", "input": "x", "output": "o"}, Fields(), "i\n\nx"),
        ({"instruction": "i", "input": "x", "output": "o"}, Fields(response="output"), "i\n\nx"),
        ({"instruction": "i", "input": "x", "output": "o"}, Fields(prompt="instruction"), "i"),
        ({"instruction": "i", "context": "c", "response": "o"}, Fields(), "c\n\ni"),
        ({"q": "i", "c": "c", "output": "o"}, Fields(prompt="q", context="c"), "c\n\ni"),
        ({"answer": "o"}, Fields(), ""),
        ({"say": "o"}, Fields(response="say"), ""),
        (
            {"messages": [{"role": "user", "content": "i"}], "reply": "o"},
            Fields(response="reply"),
            "i",
        ),
        (
            {"messages": [{"role": "user", "content": "i"}, {"role": "assistant", "content": "o"}]},
            Fields(),
            "i",
        ),
    ],
)
def test_rows_of_usual_shapes(
    tmp_path: Path, row: dict[str, Any], named: Fields, prompt: str
) -> None:
    file = read_answers(lines(tmp_path / "r.jsonl", [row]), named, needs_prompt=False)
    assert exchanges(file) == [(prompt, "o")]
