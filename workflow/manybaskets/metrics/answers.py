"""Right and wrong answers to questions whose answer is one number.

The format of GSM8K (Cobbe et al. 2021, arXiv 2110.14168): a worked solution that ends in a line
`#### 72`. Knows nothing about who answered.
"""

import re
from decimal import Decimal, InvalidOperation

_FINAL = re.compile(r"####\s*([^\n]*)")
_NUMBER = re.compile(r"-?\$?\s?-?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+")


def final_number(text: str) -> Decimal | None:
    """The number after the last `####`; None where there is no such line or no number in it."""
    found = _FINAL.findall(text)
    return _first_number(found[-1]) if found else None


def last_number(text: str) -> Decimal | None:
    """The last number of a text: what lm-evaluation-harness calls flexible extraction."""
    found = _NUMBER.findall(text)
    return _number(found[-1]) if found else None


ANSWERS = {"gsm8k": final_number, "last-number": last_number}


def is_correct(response: str, reference: str, check: str) -> bool | None:
    """Whether a response gives the reference's answer, by a rule of ANSWERS; None if unknown.

    The reference's answer is after its `####`, or its last number where it has no such line; with
    neither, right and wrong are not known. A response that gives no answer is wrong, as in
    lm-evaluation-harness. Numbers are compared by value: 1,000 is $1000.00.
    """
    wanted = final_number(reference)
    if wanted is None:
        wanted = last_number(reference)
    if wanted is None:
        return None
    return ANSWERS[check](response) == wanted


def _first_number(text: str) -> Decimal | None:
    found = _NUMBER.search(text)
    return _number(found.group()) if found else None


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(re.sub(r"[,$\s]", "", text))
    except InvalidOperation:
        return None
