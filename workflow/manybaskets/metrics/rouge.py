"""Agreement of a response with a reference: ROUGE, or the same final number.

ROUGE-1, -2 and -L are F1 scores (Lin 2004) over the tokens of Google's rouge-score 0.1.2 without
stemming: lower-cased runs of the letters a to z and digits. Text in other scripts has no tokens
under that definition and scores 0.
"""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from manybaskets.metrics.measurement import Measurement
from manybaskets.metrics.registry import Metric

NUMBER = re.compile(r"-?\$?-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)")
MARK = "####"  # precedes the answer in GSM8K

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
    """Returns the words of a text as tokenized by rouge-score."""
    return re.findall(r"[a-z0-9]+", text.lower())


def rouge_n(reference: Sequence[str], response: Sequence[str], n: int) -> float:
    """Returns the F1 score of the n-grams that two token sequences share, from 0 to 1.

    An n-gram that occurs k times in one sequence and l times in the other is shared min(k, l)
    times.
    """
    expected, written = (_ngrams(text, n) for text in (reference, response))
    return _f1((expected & written).total(), expected.total(), written.total())


def rouge_l(reference: Sequence[str], response: Sequence[str]) -> float:
    """Returns the F1 score of two token sequences' longest common subsequence, from 0 to 1."""
    longest = [0] * (len(response) + 1)  # for each prefix of the response, of the reference so far
    for expected in reference:
        diagonal = 0
        for end, token in enumerate(response, start=1):
            above = longest[end]
            longest[end] = diagonal + 1 if expected == token else max(above, longest[end - 1])
            diagonal = above
    return _f1(longest[-1], len(reference), len(response))


def rouge_measurements(responses: Sequence[str], references: Sequence[str]) -> list[Measurement]:
    """Returns the mean ROUGE-1, -2 and -L of responses against references in the same order.

    The values are None without responses. Raises ValueError if the numbers of texts differ.
    """
    measurements = []
    for metric, kind in ROUGE.items():
        values = [
            agreement(kind, reference, response) or 0.0
            for reference, response in zip(references, responses, strict=True)
        ]
        mean = sum(values) / len(values) if values else None
        note = "" if values else "no response was generated"
        measurements.append(
            Measurement("collapse", metric.name, "test", mean, len(values), 0, note)
        )
    return measurements


def agreement(metric: str, reference: str, response: str) -> float | None:
    """Returns the agreement of a response with a reference, from 0 to 1.

    `metric` is "rouge-1", "rouge-2", "rouge-L" or "answer". "answer" is 1 for the same final
    number and 0 otherwise; it is None if the reference has no number.
    """
    if metric == "answer":
        expected = final_number(reference)
        return None if expected is None else float(final_number(response) == expected)
    texts = tokens(reference), tokens(response)
    return rouge_l(*texts) if metric == "rouge-L" else rouge_n(*texts, int(metric[-1]))


def final_number(text: str) -> Decimal | None:
    """Returns the first number after the last ####, or the last one of a text without that mark.

    None if there is no such number.
    """
    _, mark, after = text.rpartition(MARK)
    numbers = NUMBER.findall(after)
    if not numbers:
        return None
    try:
        return Decimal((numbers[0] if mark else numbers[-1]).replace(",", "").replace("$", ""))
    except InvalidOperation:  # for example, more digits than Decimal supports
        return None


def _ngrams(text: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(text[start:] for start in range(n)), strict=False))


def _f1(shared: int, expected: int, written: int) -> float:
    """Returns 2PR / (P + R) = 2 shared / (expected + written); 0 if nothing is shared."""
    return 2 * shared / (expected + written) if shared else 0.0
