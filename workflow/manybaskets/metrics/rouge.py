"""Agreement of a response with a reference: ROUGE, or the same final number.

ROUGE-1, -2 and -L are F1 scores (Lin 2004) over lower-cased tokens. Pairs of texts in the letters a
to z, and pairs with an English reference, have the tokens of Google's rouge-score 0.1.2 without
stemming: runs of the letters a to z and digits. Other pairs have the words of all scripts, see
`tokenization`. A reference without words, such as an emoji, is compared by visible characters.
Equal texts agree by 1; for ROUGE-2 of one English word, the value is 0 as in rouge-score.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from manybaskets.metrics.languages import language_of
from manybaskets.metrics.measurement import Measurement
from manybaskets.metrics.registry import Metric
from manybaskets.metrics.tokenization import graphemes, non_ascii, normalized, segmentation, words

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


Tokenizer = Callable[[str], list[str]]
# Share of other letters than a to z in a text whose language is unclear. English texts of the
# instruction-following models that we tried have at most 0.04, most have none.
_FEW = 0.05


def tokens(text: str) -> list[str]:
    """Returns the words of a text as tokenized by rouge-score."""
    return re.findall(r"[a-z0-9]+", text.lower())


def tokens_of_pair(reference: str, response: str) -> tuple[list[str], list[str]]:
    """Returns the tokens of both texts by one rule, which depends on the reference's language."""
    return _cut(reference, response)[1]


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

    Empty references are excluded. The values are None without pairs. Raises ValueError if the
    numbers of texts differ.
    """
    pairs = [
        _cut(reference, response) for reference, response in zip(references, responses, strict=True)
    ]
    usable = [(cut, texts) for cut, texts in pairs if texts[0]]
    excluded = len(pairs) - len(usable)
    note = segmentation(text for _, texts in usable for text in texts)
    if not usable:
        note = "all human responses are empty" if pairs else "no response was generated"
    measurements = []
    for metric, kind in ROUGE.items():
        values = [_score(kind, cut, *texts) for cut, texts in usable]
        mean = sum(values) / len(values) if values else None
        measurements.append(
            Measurement("collapse", metric.name, "test", mean, len(values), excluded, note)
        )
    return measurements


def agreement(metric: str, reference: str, response: str) -> float | None:
    """Returns the agreement of a response with a reference, from 0 to 1.

    `metric` is "rouge-1", "rouge-2", "rouge-L" or "answer". ROUGE is None if the reference is
    empty. "answer" is 1 for the same final number and 0 otherwise; it is None
    if the reference has no number.
    """
    if metric == "answer":
        expected = final_number(reference)
        return None if expected is None else float(final_number(response) == expected)
    cut, pair = _cut(reference, response)
    return _score(metric, cut, *pair) if pair[0] else None


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


def _cut(reference: str, response: str) -> tuple[Tokenizer, tuple[list[str], list[str]]]:
    """Returns the rule by which both texts are cut, and their tokens."""
    texts = normalized(reference), normalized(response)
    cut = _tokenizer(*texts)
    expected = cut(texts[0])
    if not expected:
        cut = _visible
        expected = cut(texts[0])
    return cut, (expected, cut(texts[1]))


def _score(kind: str, cut: Tokenizer, reference: list[str], response: list[str]) -> float:
    if reference == response and cut is not tokens:
        return 1.0
    if kind == "rouge-L":
        return rouge_l(reference, response)
    return rouge_n(reference, response, int(kind[-1]))


def _tokenizer(reference: str, response: str) -> Tokenizer:
    """Returns the rule by which both texts are cut."""
    if not (_other_letters(reference) or _other_letters(response)):
        return tokens
    language = _language_of_reference(reference)
    unclear = language is None and _few_other_letters(reference)
    return tokens if language == "en" or unclear else _words


def _other_letters(text: str) -> int:
    """The number of letters that are not in ASCII."""
    return sum(map(str.isalpha, non_ascii(text)))


def _few_other_letters(text: str) -> bool:
    return _other_letters(text) < _FEW * sum(map(str.isalpha, text))


# A reference is compared with several responses.
_language_of_reference = functools.lru_cache(maxsize=1024)(language_of)


def _words(text: str) -> list[str]:
    # Turkish İ in lower case is i; Unicode's default adds a combining dot.
    return words(text.replace("İ", "i").lower().replace("_", " "))


def _visible(text: str) -> list[str]:
    return graphemes(text.lower())


def _ngrams(text: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(text[start:] for start in range(n)), strict=False))


def _f1(shared: int, expected: int, written: int) -> float:
    """Returns 2PR / (P + R) = 2 shared / (expected + written); 0 if nothing is shared."""
    return 2 * shared / (expected + written) if shared else 0.0
