"""Strict conversions of foreign values: a value that is not a text never becomes one.

Each function raises InputError with `where` (file, row and field) in its message. The replacement
of characters that UTF-8 or a C string cannot contain is the same for every text that is read.
"""

import math
import re
from typing import Any

from manybaskets.files import InputError

# JSON can contain halves of surrogate pairs, which no tokenizer and no UTF-8 file accepts.
_UNENCODABLE = re.compile("[\ud800-\udfff\0]")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def encodable(text: str) -> str:
    """Returns a text with lone surrogates and NUL replaced by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNENCODABLE.sub("\ufffd", text)


def kind_of(value: Any) -> str:
    """Returns the kind of a value for messages: null, NaN, a number, a list, an object, …"""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    kinds = ((str, "a text"), (int | float, "a number"), (list | tuple, "a list"))
    for type_, name in kinds:
        if isinstance(value, type_):
            return name
    return "an object" if isinstance(value, dict) else f"a value of type {type(value).__name__}"


def text_or_none(value: Any) -> str | None:
    """Returns a text, encodable; None for every other value."""
    return encodable(value) if isinstance(value, str) else None


def text_of(value: Any, where: str) -> str:
    """Returns a text, encodable."""
    if not isinstance(value, str):
        raise InputError(f"{where}: found {kind_of(value)}, expected a text. Correct the row.")
    return encodable(value)


def name_of(value: Any, where: str) -> str:
    """Returns a name: a text that is not blank, or the digits of a number."""
    if isinstance(value, str) and value.strip():
        return encodable(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    raise InputError(f"{where}: found {_shown(value)}, expected a name. Correct the row.")


def boolean_of(value: Any, where: str) -> bool:
    """Returns true or false; also from the words true, false, yes, no, 1 and 0."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in _WORDS:
        raise InputError(f"{where}: found {_shown(value)}, expected true or false. Correct it.")
    return _WORDS[word]


def number_of(value: Any, where: str) -> float:
    """Returns a finite number; also from its digits in a text."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: found {_shown(value)}, expected a number. Correct it.")
    return number


def integer_of(value: Any, where: str) -> int:
    """Returns a whole number; also from its digits in a text."""
    number = number_of(value, where)
    if number != int(number):
        raise InputError(f"{where}: found {_shown(value)}, expected a whole number. Correct it.")
    return int(number)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value[:40]}'"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15:
        return str(value)
    return kind_of(value)
