"""Correctness of answers to questions with a numeric answer.

The format is that of GSM8K (Cobbe et al. 2021, arXiv 2110.14168): a worked solution whose last
line is `#### 72`.
"""

import re
from decimal import Decimal, InvalidOperation

_FINAL = re.compile(r"####\s*([^\n]*)")
_NUMBER = re.compile(r"-?\$?\s?-?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+")


def final_number(text: str) -> Decimal | None:
    """Returns the number after the last `####`; None without such a line or a number in it."""
    final_lines = _FINAL.findall(text)
    return _first_number(final_lines[-1]) if final_lines else None


def last_number(text: str) -> Decimal | None:
    """Returns the last number of a text: flexible extraction in lm-evaluation-harness."""
    numbers = _NUMBER.findall(text)
    return _parse_number(numbers[-1]) if numbers else None


ANSWERS = {"gsm8k": final_number, "last-number": last_number}


def is_correct(response: str, reference: str, check: str) -> bool | None:
    """Returns whether a response gives the reference's answer; None if the reference has none.

    `check` names the rule of ANSWERS that extracts the answer from the response. The reference's
    answer is the number after its last `####`, or its last number without such a line. A response
    without an answer is wrong, as in lm-evaluation-harness. Numbers are compared by value: 1,000
    equals $1000.00.
    """
    expected = final_number(reference)
    if expected is None:
        expected = last_number(reference)
    if expected is None:
        return None
    return ANSWERS[check](response) == expected


def _first_number(text: str) -> Decimal | None:
    match = _NUMBER.search(text)
    return _parse_number(match.group()) if match else None


def _parse_number(text: str) -> Decimal | None:
    try:
        return Decimal(re.sub(r"[,$\s]", "", text))
    except InvalidOperation:
        return None
