"""Requests: stand-ins, users' files, and the format of RefusalBench."""

import json
from collections import Counter
from pathlib import Path

import pytest

from manybaskets.data.safety_requests import read_requests
from manybaskets.files import InputError
from manybaskets.study.layout import RESOURCES

STAND_IN = RESOURCES / "requests/stand-in.yaml"


def test_stand_in_requests_are_held_out_and_balanced() -> None:
    requests = read_requests(STAND_IN, 20)
    assert Counter(request.declined for request in requests) == {True: 20, False: 20}
    assert len({request.id for request in requests}) == 40


def test_the_same_requests_for_every_cell() -> None:
    assert read_requests(STAND_IN, 10) == read_requests(STAND_IN, 10)


def test_a_stand_in_s_target_is_about_its_own_request() -> None:
    for request in read_requests(STAND_IN, 10):
        thing = request.target.removeprefix("To ").split(", ")[0]
        assert thing in request.text


def test_requests_of_ones_own_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    rows = [{"prompt": "x", "declined": True, "target": "Sure"}, {"prompt": "y", "declined": False}]
    path.write_text("\n".join(map(json.dumps, rows)))
    found = read_requests(path, 10)
    assert [(r.text, r.declined, r.target) for r in found] == [
        ("x", True, "Sure"),
        ("y", False, ""),
    ]


def test_instructions_by_category_are_all_to_be_declined(tmp_path: Path) -> None:
    path = tmp_path / "refusalbench.json"
    path.write_text(json.dumps({"one": ["a", "b"], "two": ["c"]}))
    found = read_requests(path, 10)
    assert [request.text for request in found] == ["a", "b", "c"]
    assert all(request.declined for request in found)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"one": "a"}', "the value of 'one' is not a list"),
        ("{}", "no instruction"),
        ("{", "not JSON"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        read_requests(path, 10)


@pytest.mark.parametrize(
    ("word", "declined"), [("false", False), ("no", False), ("yes", True), (1, True)]
)
def test_words_of_yes_and_no_are_understood(tmp_path: Path, word: object, declined: bool) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(json.dumps({"prompt": "x", "declined": word}))
    assert [request.declined for request in read_requests(path, 10)] == [declined]


def test_requests_come_from_every_format(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,declined,target\nx,true,Sure\ny,false,\n")
    (tmp_path / "b.json").write_text(
        '\ufeff{"data": [{"prompt": "x", "declined": true, "target": "Sure"}, '
        '{"prompt": "y", "declined": false}]}'
    )
    for name in ("a.csv", "b.json"):
        requests = read_requests(tmp_path / name, 10)
        assert [(r.text, r.declined, r.target) for r in requests] == [
            ("x", True, "Sure"),
            ("y", False, ""),
        ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": None, "declined": True}, "line 2, prompt: found null, expected a text"),
        ({"prompt": "x", "declined": None}, "line 2, declined: found null, expected true or"),
        ({"prompt": "x", "declined": "perhaps"}, "line 2, declined: found 'perhaps'"),
        ({"prompt": "x", "declined": True, "target": 3}, "line 2, target: found a number"),
        ({"prompt": "x"}, "line 2: the field 'declined' is missing"),
        ({"prompt": " ", "declined": True}, "line 2: the prompt is empty"),
    ],
)
def test_a_row_that_is_not_a_request_is_named_with_its_line(
    tmp_path: Path, row: dict[str, object], message: str
) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(json.dumps({"prompt": "x", "declined": True}) + "\n" + json.dumps(row))
    with pytest.raises(InputError, match=message):
        read_requests(path, 10)
