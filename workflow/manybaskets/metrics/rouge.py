"""ROUGE: overlap of a response with a reference, and the final number of a solution.

ROUGE-1, -2 and -L as F1 (Lin 2004), with the tokens of Google's rouge-score 0.1.2 without stemming:
lower case, runs of the letters a to z and digits. Text in other scripts has no tokens under that
definition, and scores 0.
"""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from manybaskets.metrics.measurement import Measurement
from manybaskets.metrics.registry import Metric

NUMBER = re.compile(r"-?\$?-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)")
MARK = "####"  # GSM8K: what follows is the answer

ROUGE_1 = Metric(
    "rouge_1",
    "ROUGE-1 with the human text",
    "Mean F1 of the words that a summary shares with the human one (ROUGE-1, Lin 2004), from "
    "0 to 1; higher is a better summary; measured where the task is to summarize.",
    better="higher",
    unit="F1",
)

ROUGE_2 = Metric(
    "rouge_2",
    "ROUGE-2 with the human text",
    "As rouge_1, of pairs of neighbouring words.",
    better="higher",
    unit="F1",
)

ROUGE_L = Metric(
    "rouge_l",
    "ROUGE-L with the human text",
    "As rouge_1, of the longest sequence of words that both have in this order.",
    better="higher",
    unit="F1",
)

ROUGE = {ROUGE_1: "rouge-1", ROUGE_2: "rouge-2", ROUGE_L: "rouge-L"}


def tokens(text: str) -> list[str]:
    """Words as rouge-score cuts them."""
    return re.findall(r"[a-z0-9]+", text.lower())


def rouge_n(reference: Sequence[str], response: Sequence[str], n: int) -> float:
    """F1 of the n-grams that two token sequences share, from 0 to 1; each counts once per use."""
    wanted, found = (_ngrams(text, n) for text in (reference, response))
    return _f1((wanted & found).total(), wanted.total(), found.total())


def rouge_l(reference: Sequence[str], response: Sequence[str]) -> float:
    """F1 of the longest common subsequence of two token sequences, from 0 to 1."""
    longest = [0] * (len(response) + 1)  # of the reference so far with each prefix of the response
    for wanted in reference:
        diagonal = 0
        for place, found in enumerate(response, start=1):
            above = longest[place]
            longest[place] = diagonal + 1 if wanted == found else max(above, longest[place - 1])
            diagonal = above
    return _f1(longest[-1], len(reference), len(response))


def measured(responses: Sequence[str], references: Sequence[str]) -> list[Measurement]:
    """Mean ROUGE-1, -2 and -L of responses with the human ones, in the same order; None of none."""
    found = []
    for metric, kind in ROUGE.items():
        values = [
            agreement(kind, reference, response) or 0.0
            for reference, response in zip(references, responses, strict=True)
        ]
        mean = sum(values) / len(values) if values else None
        note = "" if values else "no response was generated"
        found.append(Measurement("collapse", metric.name, "test", mean, len(values), 0, note))
    return found


def agreement(metric: str, reference: str, response: str) -> float | None:
    """How far a response agrees with a reference, from 0 to 1.

    `metric` is rouge-1, rouge-2, rouge-L, or answer: 1 for the same final number, else 0; None
    where the reference has no number, so that nothing can be checked.
    """
    if metric == "answer":
        wanted = final_number(reference)
        return None if wanted is None else float(final_number(response) == wanted)
    texts = tokens(reference), tokens(response)
    return rouge_l(*texts) if metric == "rouge-L" else rouge_n(*texts, int(metric[-1]))


def final_number(text: str) -> Decimal | None:
    """The number after the last ####, or the last one of a text without that mark."""
    _, mark, after = text.rpartition(MARK)
    numbers = NUMBER.findall(after)
    if not numbers:
        return None
    try:
        return Decimal((numbers[0] if mark else numbers[-1]).replace(",", "").replace("$", ""))
    except InvalidOperation:  # a number such as -- cannot come of NUMBER, one of 10^6 digits can
        return None


def _ngrams(text: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(text[start:] for start in range(n)), strict=False))


def _f1(shared: int, wanted: int, found: int) -> float:
    """2PR / (P + R) = 2 shared / (wanted + found); 0 where nothing is shared."""
    return 2 * shared / (wanted + found) if shared else 0.0
