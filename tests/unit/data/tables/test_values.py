"""A value that is not a text never becomes one."""

import math

import pytest

from manybaskets.data.tables.values import (
    boolean_of,
    encodable,
    integer_of,
    kind_of,
    number_of,
    text_of,
    text_or_none,
)
from manybaskets.files import InputError

OTHERS = [(None, "null"), (math.nan, "NaN"), (3, "a number"), (True, "true or false")]
OTHERS += [(["a"], "a list"), ({"text": "a"}, "an object")]


@pytest.mark.parametrize(("value", "kind"), OTHERS)
def test_other_values_are_refused_by_their_kind(value: object, kind: str) -> None:
    assert kind_of(value) == kind
    assert text_or_none(value) is None
    with pytest.raises(InputError, match=f"a.jsonl, line 2: found {kind}, expected a text"):
        text_of(value, "a.jsonl, line 2")


def test_surrogates_and_nul_are_replaced() -> None:
    assert encodable("a\ud83d b\0") == "a\ufffd b\ufffd"
    assert encodable("\N{GRINNING FACE} ä") == "\N{GRINNING FACE} ä"


@pytest.mark.parametrize("value", ["false", "no", "0", 0, False, " No "])
def test_words_of_no_are_false(value: object) -> None:
    assert boolean_of(value, "x") is False


@pytest.mark.parametrize("value", ["true", "YES", "1", 1, True])
def test_words_of_yes_are_true(value: object) -> None:
    assert boolean_of(value, "x") is True


@pytest.mark.parametrize(
    "value", [None, "", "maybe", 2, pytest.param(10**5000, id="huge"), 1.0, math.nan, [], "x" * 999]
)
def test_other_words_are_refused(value: object) -> None:
    with pytest.raises(InputError, match="expected true or false") as error:
        boolean_of(value, "x")
    assert len(str(error.value)) < 120


def test_numbers_are_read_from_digits() -> None:
    assert number_of("0.5", "x") == 0.5
    assert integer_of("7", "x") == 7


@pytest.mark.parametrize(
    "value", [None, "", "one", math.nan, math.inf, True, [1], pytest.param(10**5000, id="huge")]
)
def test_what_is_not_a_number_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="expected a number"):
        number_of(value, "x")


def test_a_fraction_is_not_a_whole_number() -> None:
    with pytest.raises(InputError, match="expected a whole number"):
        integer_of(0.5, "x")
