"""Recorded responses are looked up by prompt and context; several rows are several samples."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.data import recorded
from manybaskets.files import InputError

FIELDS = {"prompt": "q", "response": "a"}


def source(path: Path, rows: list[dict[str, Any]], **fields: str) -> dict[str, Any]:
    path.write_text("\n".join(map(json.dumps, rows)))
    return {"recorded": str(path), "fields": fields}


def asked(prompt: str, **more: Any) -> dict[str, Any]:
    return {"id": "1", "prompt": prompt, **more}


def test_responses_come_in_the_order_asked_white_space_aside(tmp_path: Path) -> None:
    rows = [{"q": "two\nlines", "a": "A"}, {"q": "x", "a": " B "}]
    settings = source(tmp_path / "r.jsonl", rows, **FIELDS)
    responses = recorded.response_rows(settings, [asked("x"), asked("two lines")])
    assert [row["response"] for row in responses] == ["B", "A"]


def test_an_empty_response_is_recorded_as_empty(tmp_path: Path) -> None:
    settings = source(tmp_path / "r.jsonl", [{"q": "x", "a": "  "}], **FIELDS)
    assert recorded.response_rows(settings, [asked("x")])[0]["state"] == "empty"


@pytest.mark.parametrize("value", [None, float("nan"), ["a", "b"], {"text": "x"}, 3, True])
def test_a_value_that_is_not_a_text_is_missing(tmp_path: Path, value: Any) -> None:
    settings = source(tmp_path / "r.jsonl", [{"q": "x", "a": value}], **FIELDS)
    (row,) = recorded.response_rows(settings, [asked("x")])
    assert (row["response"], row["state"]) == ("", "missing")
    assert "where a text is expected" in row["reason"]


def test_a_lone_surrogate_is_replaced(tmp_path: Path) -> None:
    settings = source(tmp_path / "r.jsonl", [{"q": "x", "a": "b \ud83d"}], **FIELDS)
    assert recorded.response_rows(settings, [asked("x")])[0]["response"] == "b \ufffd"


def test_several_rows_of_a_prompt_are_its_samples(tmp_path: Path) -> None:
    rows = [{"q": "x", "a": answer} for answer in ("first", None, "second")]
    settings = source(tmp_path / "r.jsonl", rows, **FIELDS)
    responses = recorded.response_rows(settings, [asked("x", sample=n) for n in range(4)])
    assert [row["response"] for row in responses] == ["first", "second", "", ""]
    assert [row["state"] for row in responses] == ["ok", "ok", "missing", "missing"]
    assert responses[3]["reason"] == "the file has 3 responses to this prompt"


def test_input_and_system_message_are_part_of_the_prompt(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Translate.", "input": text, "system": system, "output": text + system}
        for text in ("One.", "Two.")
        for system in ("A", "B")
    ]
    settings = source(tmp_path / "r.jsonl", rows)
    context = [{"role": "system", "content": "B"}]
    wanted = asked("Translate.\n\nOne.", context_messages=context)
    assert recorded.response_rows(settings, [wanted])[0]["response"] == "One.B"
    with pytest.raises(InputError, match="no response to 1 of 1 prompts"):
        recorded.response_rows(settings, [asked("Translate.\n\nOne.")])


def test_an_item_of_judges_is_found_by_its_transcript(tmp_path: Path) -> None:
    row = {"system": "Be brief.", "prompt": "Name a bird.", "response": "The gull."}
    settings = source(tmp_path / "r.jsonl", [row])
    item = asked("System: Be brief.\n\nUser: Name a bird.")
    assert recorded.response_rows(settings, [item])[0]["response"] == "The gull."


def test_a_prompt_without_a_response_is_an_error_that_names_it(tmp_path: Path) -> None:
    settings = source(tmp_path / "r.jsonl", [{"q": "x", "a": "b"}], **FIELDS)
    with pytest.raises(InputError, match="no response to 1 of 1 prompts; the first is 'other"):
        recorded.response_rows(settings, [asked("other")])


def test_the_notes_say_what_happens_to_odd_rows(tmp_path: Path) -> None:
    rows = [{"q": "x", "a": "1"}, {"q": "x", "a": "2"}, {"q": "y", "a": "1"}]
    rows += [{"q": "z", "a": None}, {"q": None, "a": "1"}]
    prompts = [asked("x"), asked("y")]
    recording = recorded.read(source(tmp_path / "r.jsonl", rows, **FIELDS), prompts)
    missing, without, more = recording.notes(prompts, needed=1)
    assert missing.startswith("1 of 5 rows have the state 'missing'")
    assert "line 4: the field 'a' contains null" in missing
    assert without.startswith("1 of 5 rows have no prompt")
    assert more.startswith("1 of 2 prompts have more responses than the 1 that")
    assert recording.notes(prompts, needed=2)[2].startswith("1 of 2 prompts have fewer than the 2")
