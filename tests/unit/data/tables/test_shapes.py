"""Which fields are the prompt, the response, and what precedes them."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.config.dataset import RowFields
from manybaskets.data.tables import shapes
from manybaskets.data.tables.shapes import Record
from manybaskets.files import InputError

USER, GULL = {"role": "user", "content": "Name a bird."}, "The gull."
ASSISTANT, SYSTEM = (
    {"role": "assistant", "content": GULL},
    {"role": "system", "content": "Be brief."},
)
MORE = [{"role": "user", "content": "Another?"}, {"role": "assistant", "content": "The owl."}]


def _records(tmp_path: Path, *rows: dict[str, Any], **fields: str) -> tuple[str, list[Record]]:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    table, shape = shapes.open_records(path, RowFields(**fields))
    return shape.name, list(shapes.records(table, shape))


@pytest.mark.parametrize(
    ("row", "name", "prompt"),
    [
        ({"prompt": "P", "response": GULL}, "prompt and response", "P"),
        ({"Question": "P", "Answer": GULL}, "prompt and response", "P"),
        ({"input": "P", "output": GULL}, "prompt and response", "P"),
        ({"instruction": "P", "input": "", "output": GULL}, "Alpaca", "P"),
        ({"instruction": "P", "input": "I", "output": GULL}, "Alpaca", "P\n\nI"),
        ({"instruction": "P", "input": None, "output": GULL}, "Alpaca", "P"),
        ({"instruction": "P", "context": "C", "response": GULL}, "Dolly", "C\n\nP"),
        ({"prompt": "P", "context": "C", "response": GULL}, "prompt and response", "C\n\nP"),
    ],
)
def test_shapes_of_two_fields(tmp_path: Path, row: dict[str, Any], name: str, prompt: str) -> None:
    found, (record,) = _records(tmp_path, row)
    assert (found, record.prompt, record.response) == (name, prompt, GULL)
    assert record.context_messages == []
    assert record.reason == ""


@pytest.mark.parametrize(
    ("row", "context"),
    [
        ({"messages": [USER, ASSISTANT]}, []),
        ({"messages": [SYSTEM, USER, ASSISTANT]}, [SYSTEM]),
        ({"system": "Be brief.", "messages": [USER, ASSISTANT]}, [SYSTEM]),
        ({"system": "Other.", "messages": [SYSTEM, USER, ASSISTANT]}, [SYSTEM]),
        ({"messages": [*MORE, USER, ASSISTANT]}, MORE),
        ({"messages": [USER, ASSISTANT, MORE[0]]}, []),
        ({"prompt": [SYSTEM, USER], "completion": [ASSISTANT]}, [SYSTEM]),
        ({"system_prompt": "Be brief.", "question": "Name a bird.", "response": GULL}, [SYSTEM]),
        (
            {"instruction": "Name a bird.", "output": GULL, "history": [["Another?", "The owl."]]},
            MORE,
        ),
        (
            {
                "conversations": [
                    {"from": "system", "value": "Be brief."},
                    {"from": "human", "value": "Name a bird."},
                    {"from": "gpt", "value": GULL},
                ]
            },
            [SYSTEM],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Name a bird."}]},
                    {"role": "assistant", "content": [{"type": "text", "text": GULL}]},
                ]
            },
            [],
        ),
    ],
)
def test_conversations_become_a_prompt_with_context(
    tmp_path: Path, row: dict[str, Any], context: list[dict[str, str]]
) -> None:
    _, (record,) = _records(tmp_path, row)
    assert (record.prompt, record.response) == ("Name a bird.", GULL)
    assert record.context_messages == context


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([USER], "no turn of the assistant"),
        ([ASSISTANT], "do not alternate"),
        ([USER, USER, ASSISTANT], "do not alternate"),
        ([ASSISTANT, USER, ASSISTANT], "do not alternate"),
        ([USER, {"role": "assistant", "content": None}], "contains null"),
        ([USER, {"role": "tool", "content": "1"}, ASSISTANT], "role 'tool'"),
        (
            [{"role": "user", "content": [{"type": "image_url"}]}, ASSISTANT],
            "not a text (image_url)",
        ),
        (None, "found null"),
        ([], "found a list"),
        (["Name a bird.", GULL], "found a list"),
    ],
)
def test_a_conversation_that_cannot_be_used_has_its_reason(
    tmp_path: Path, messages: Any, reason: str
) -> None:
    _, records = _records(tmp_path, {"messages": [USER, ASSISTANT]}, {"messages": messages})
    assert records[1].prompt is None and records[1].response is None
    assert reason in records[1].reason


@pytest.mark.parametrize("value", [None, float("nan"), 3, ["a"], {"text": "a"}, True])
def test_a_value_that_is_not_a_text_is_missing(tmp_path: Path, value: Any) -> None:
    _, records = _records(
        tmp_path, {"prompt": "P", "response": value}, {"prompt": value, "response": GULL}, {}
    )
    assert (records[0].prompt, records[0].response) == ("P", None)
    assert (records[1].prompt, records[1].response) == (None, GULL)
    assert "'response' contains" in records[0].reason
    assert "'prompt' contains" in records[1].reason
    assert "'prompt' is missing; the field 'response' is missing" in records[2].reason


def test_names_that_are_given_win(tmp_path: Path) -> None:
    row = {"prompt": "P", "instruction": "Q", "input": "I", "response": "R", "output": GULL}
    name, (record,) = _records(tmp_path, row, prompt="instruction", response="output")
    assert (name, record.prompt, record.response) == ("named fields", "Q", GULL)


def test_a_dotted_name_reaches_into_objects(tmp_path: Path) -> None:
    row = {"question": "Q", "model": {"solution": GULL}, "a.b": "plain"}
    _, (record,) = _records(tmp_path, row, prompt="a.b", response="model.solution")
    assert (record.prompt, record.response) == ("plain", GULL)


def test_a_stratum_alone_leaves_the_shape_to_the_file(tmp_path: Path) -> None:
    row = {"instruction": "P", "input": "I", "output": GULL, "category": "open"}
    name, (record,) = _records(tmp_path, row, stratum="category")
    assert (name, record.prompt, record.stratum) == ("Alpaca", "P\n\nI", "open")


@pytest.mark.parametrize("fields", [{"prompt": "nothing"}, {"response": "a.c"}])
def test_a_name_that_does_not_occur_is_refused(tmp_path: Path, fields: dict[str, str]) -> None:
    with pytest.raises(InputError, match="is missing; the rows have prompt, response, a"):
        _records(tmp_path, {"prompt": "P", "response": "R", "a": {"b": 1}}, **fields)


def test_a_wrong_name_in_a_known_shape_comes_with_that_shape(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="or remove fields to read the file as chat messages"):
        _records(tmp_path, {"messages": [USER, ASSISTANT]}, prompt="instruction")


def test_an_unknown_shape_is_refused_with_its_fields(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the rows have colour, size\. Name them under fields"):
        _records(tmp_path, {"colour": "red", "size": "big"})


def test_prompts_need_no_response(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"messages": [SYSTEM, USER]}) + "\n")
    table, shape = shapes.open_records(path, needs_response=False)
    (record,) = shapes.records(table, shape)
    assert (record.prompt, record.context_messages) == ("Name a bird.", [SYSTEM])
    assert record.response is None and record.reason == ""


def test_the_same_prompt_with_other_context_is_another_prompt(tmp_path: Path) -> None:
    answer = {"response": GULL}
    rows = [
        {"prompt": "P", **answer},
        {"prompt": " P\n", "system": None, **answer},
        {"prompt": "P", "input": "I", **answer},
        {"prompt": "P", "context": "C", **answer},
        {"prompt": "P", "system": "S", **answer},
        {"prompt": "P", "history": [["a", "b"]], **answer},
        {"prompt": "P", "history": [["a", "c"]], **answer},
    ]
    keys = [record.key for record in _records(tmp_path, *rows)[1]]
    assert keys[0] == keys[1] == "P"
    assert len(set(keys)) == 6


def test_a_description_names_what_was_taken_for_what(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"instruction": "P", "input": "I", "output": GULL}) + "\n")
    shape = shapes.open_records(path)[1]
    assert shape.describe() == (
        "Alpaca (prompt: instruction, text after the prompt: input, response: output)"
    )
