"""Templates of attacks: the request, or an encoding of it, in its place."""

import base64
import codecs

import pytest

from manybaskets.files import InputError
from manybaskets.probes.robustness.attack_templates import filled
from tests.support.attack_requests import REQUEST


def test_a_request_is_filled_in_word_for_word() -> None:
    request = r"Use {braces}, \1 and $signs"
    assert filled("Please: {request}!", "wrap", request) == f"Please: {request}!"


def test_an_encoded_request_can_be_decoded() -> None:
    sent = filled("{request:base64}|{request:rot13}|{request}", "x", REQUEST.text)
    first, second, third = sent.split("|")
    assert base64.b64decode(first).decode() == REQUEST.text == third
    assert codecs.decode(second, "rot13") == REQUEST.text


def test_leetspeak_keeps_the_length_and_the_consonants() -> None:
    assert filled("{request:leetspeak}", "x", "leak it") == "l34k 17"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("nothing", r"attacks/x\.txt has no place for the request\. Add \{request\}"),
        ("{request:morse}", "unknown encoding 'morse'. Use one of base64"),
    ],
)
def test_a_template_that_cannot_be_filled_is_an_error(template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        filled(template, "x", REQUEST.text)
