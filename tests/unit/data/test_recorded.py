"""Recorded responses are looked up by prompt."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.data import recorded
from manybaskets.files import InputError


def source(path: Path, rows: list[dict[str, str]]) -> dict[str, Any]:
    path.write_text("\n".join(map(json.dumps, rows)))
    return {"recorded": str(path), "fields": {"prompt": "q", "response": "a", "stratum": None}}


def test_answers_come_in_the_order_asked_white_space_aside(tmp_path: Path) -> None:
    found = source(tmp_path / "r.jsonl", [{"q": "two\nlines", "a": "A"}, {"q": "x", "a": " B "}])
    asked = [{"id": "1", "prompt": "x"}, {"id": "2", "prompt": "two lines"}]
    assert [row["response"] for row in recorded.response_rows(found, asked)] == ["B", "A"]


def test_an_empty_answer_is_recorded_as_empty(tmp_path: Path) -> None:
    found = source(tmp_path / "r.jsonl", [{"q": "x", "a": "  "}])
    assert recorded.response_rows(found, [{"id": "1", "prompt": "x"}])[0]["state"] == "empty"


def test_a_prompt_without_an_answer_is_an_error_that_names_it(tmp_path: Path) -> None:
    found = source(tmp_path / "r.jsonl", [{"q": "x", "a": "b"}])
    with pytest.raises(InputError, match="no response to 1 of 1 prompts; the first is 'other"):
        recorded.response_rows(found, [{"id": "1", "prompt": "other"}])
