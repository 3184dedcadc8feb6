"""Rows of people must be complete: the others are an error, or are left out and counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.config.dataset import Dataset
from manybaskets.data import human_rows
from manybaskets.files import InputError

GULL = {"prompt": "Name a bird.", "response": "The gull."}


def _rows(tmp_path: Path, rows: list[Any], **settings: Any) -> human_rows.CompleteRows:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return human_rows.open_rows(Dataset(file=str(path), **settings))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**GULL, "response": " "}, "the response in the field 'response' is empty"),
        ({**GULL, "prompt": "\n"}, "the prompt in the field 'prompt' is empty"),
        ({**GULL, "response": None}, "the field 'response' contains null"),
        ({**GULL, "response": float("nan")}, "the field 'response' contains NaN"),
        ({**GULL, "prompt": 3}, "the field 'prompt' contains a number"),
        ({**GULL, "response": ["a"]}, "the field 'response' contains a list"),
        ({"prompt": "a"}, "the field 'response' is missing"),
    ],
)
def test_an_incomplete_row_is_named_with_its_line(
    tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=f"rows.jsonl, line 2: {reason}.*Correct it, or leave"):
        list(_rows(tmp_path, [GULL, row]))


def test_many_incomplete_rows_are_counted_and_the_first_named(tmp_path: Path) -> None:
    rows = [GULL] + [{**GULL, "response": None}] * 5
    with pytest.raises(InputError, match=r"5 of 6 rows are incomplete: line 2: .*line 4: .*; …"):
        list(_rows(tmp_path, rows))


def test_incomplete_rows_can_be_left_out(tmp_path: Path) -> None:
    rows = _rows(tmp_path, [GULL, {**GULL, "response": None}], incomplete_rows="drop")
    assert [row["response"] for row in rows] == ["The gull."]
    assert (rows.total, rows.left_out_total) == (2, 1)


def test_a_file_without_any_complete_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 1: the field 'response' contains null"):
        list(_rows(tmp_path, [{**GULL, "response": None}], incomplete_rows="drop"))


def test_surrogates_are_replaced_and_ends_are_stripped(tmp_path: Path) -> None:
    (row,) = _rows(tmp_path, [{"prompt": " a\ud83d ", "response": "b\0\n"}])
    assert (row["prompt"], row["response"]) == ("a\ufffd", "b\ufffd")


def test_a_context_precedes_the_prompt(tmp_path: Path) -> None:
    rows = [{"q": "Who?", "a": "He.", "c": "A text. "}, {"q": "Why?", "a": "So.", "c": ""}]
    fields = {"prompt": "q", "response": "a", "context": "c"}
    read = _rows(tmp_path, rows, fields=fields)
    assert [row["prompt"] for row in read] == ["A text.\n\nWho?", "Why?"]


def test_all_turns_carry_the_loss_only_if_asked_for(tmp_path: Path) -> None:
    roles = ("system", "user", "assistant", "user", "assistant")
    turns = [{"role": role, "content": f"{role} {n}"} for n, role in enumerate(roles)]
    (row,) = _rows(tmp_path, [{"messages": turns}])
    assert (row["prompt"], row["response"]) == ("user 3", "assistant 4")
    assert row["context_messages"] == turns[:3]
    assert "turns" not in row
    rows = [{"messages": turns}, {"messages": turns[1:3]}]
    several, single = _rows(tmp_path, rows, turns="all")
    assert several["turns"] == "all"
    assert "turns" not in single and "context_messages" not in single


def test_reasoning_is_removed_from_responses(tmp_path: Path) -> None:
    row = {**GULL, "response": "<think>A sea bird?</think>The gull."}
    assert [one["response"] for one in _rows(tmp_path, [row])] == ["The gull."]
    only = {**GULL, "response": "<think>A sea bird?</think>"}
    with pytest.raises(InputError, match="is empty beside its reasoning"):
        list(_rows(tmp_path, [GULL, only]))


def test_prompts_are_read_without_responses(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("instruction,input\nTranslate.,One.\nTranslate.,Two.\n")
    prompts = list(human_rows.open_prompts(str(path), None))
    assert [row["prompt"] for row in prompts] == ["Translate.\n\nOne.", "Translate.\n\nTwo."]
    assert "response" not in prompts[0]
