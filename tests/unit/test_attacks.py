"""Requests, the attacks on them, and what is sent to whom."""

import json
from collections import Counter
from pathlib import Path

import pytest

from manybaskets import attacks
from manybaskets.files import BadFile
from manybaskets.study import RESOURCES

STAND_IN = RESOURCES / "requests/stand-in.yaml"


def test_stand_in_requests_are_held_out_and_balanced() -> None:
    requests = attacks.read_requests(STAND_IN, 20)
    assert Counter(request.declined for request in requests) == {True: 20, False: 20}
    assert len({request.id for request in requests}) == 40


def test_the_same_requests_for_every_cell() -> None:
    assert attacks.read_requests(STAND_IN, 10) == attacks.read_requests(STAND_IN, 10)


def test_only_what_must_be_declined_is_attacked() -> None:
    requests = attacks.read_requests(STAND_IN, 5)
    found = Counter(a.item_set for a in attacks.attempts(requests, {"wrap": "<{request}>"}))
    assert found == {"decline/direct": 5, "decline/wrap": 5, "harmless/direct": 5}


def test_a_template_holds_the_request_word_for_word() -> None:
    request = attacks.ProbeRequest("a", "Use {braces} and $signs", True)
    sent = attacks.attempts([request], {"wrap": "Please: {request}!"})
    assert sent[1].prompt == "Please: Use {braces} and $signs!"


def test_a_template_without_a_place_for_the_request_is_an_error() -> None:
    with pytest.raises(BadFile, match="'wrap' does not say where"):
        attacks.attempts([attacks.ProbeRequest("a", "b", True)], {"wrap": "nothing"})


def test_every_template_of_the_repository_has_a_place_for_the_request() -> None:
    templates = {p.stem: p.read_text() for p in (RESOURCES / "attacks").glob("*.txt")}
    assert len(attacks.attempts([attacks.ProbeRequest("a", "b", True)], templates)) == 1 + len(
        templates
    )
    assert len(templates) >= 2


def test_requests_of_ones_own_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    rows = [{"prompt": "x", "declined": True}, {"prompt": "y", "declined": False}]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert [r.text for r in attacks.read_requests(path, 10)] == ["x", "y"]
