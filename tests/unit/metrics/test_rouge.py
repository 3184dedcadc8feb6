"""ROUGE as rouge-score computes it, and final numbers as GSM8K writes them."""

import itertools
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manybaskets.metrics import rouge
from manybaskets.metrics.rouge import agreement, final_number, rouge_l, rouge_n, tokens
from tests.support import samples

# reference, response, and F1 of rouge1, rouge2, rougeL by rouge-score 0.1.2 without stemming
GOLDEN = [
    (
        "The quick brown fox jumps over the lazy dog.",
        "the fast brown fox jumped over a lazy dog",
        0.6666666666666666,
        0.25,
        0.6666666666666666,
    ),
    (
        "Returns the expected value of a random expression.",
        "LAPfilters within the givenplication. This function solidentric of the given r.",
        0.2105263157894737,
        0.0,
        0.2105263157894737,
    ),
    (
        "Return the list of rows, sorted; rows may repeat: rows, rows!",
        "Return rows rows and the sorted list of rows",
        0.7999999999999999,
        0.33333333333333326,
        0.5,
    ),
    ("x = a_b + C3-d", "x a b c3 d", 1.0, 1.0, 1.0),
    ("!?", "anything", 0.0, 0.0, 0),
    ("word", "word", 1.0, 0.0, 1.0),
    ("The soup at the café was cold.", "the soup at the caf was cold", 1.0, 1.0, 1.0),
    ("a b c d e f g", "g f e d c b a", 1.0, 0.0, 0.14285714285714285),
    ("one", "one one one", 0.5, 0.0, 0.5),
]
METRICS = ("rouge-1", "rouge-2", "rouge-L")
words = st.lists(st.sampled_from("abcd"), max_size=9)


@pytest.mark.parametrize(("reference", "response", "one", "two", "longest"), GOLDEN)
def test_values_are_those_of_rouge_score(
    reference: str, response: str, one: float, two: float, longest: float
) -> None:
    found = [agreement(metric, reference, response) for metric in METRICS]
    assert found == pytest.approx([one, two, longest], abs=1e-12)


@given(words, words)
def test_rouge_is_symmetric_and_one_only_for_the_same_counts(
    one: list[str], other: list[str]
) -> None:
    assert rouge_n(one, other, 1) == rouge_n(other, one, 1)
    assert rouge_l(one, other) == rouge_l(other, one) <= rouge_n(one, other, 1) <= 1
    assert (rouge_n(one, other, 1) == 1) == (sorted(one) == sorted(other) and bool(one))


def test_words_are_lower_case_letters_and_digits() -> None:
    assert tokens("The a_b, C3-d: 4.5 é") == ["the", "a", "b", "c3", "d", "4", "5"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("48 / 2 = 24\n#### 72", "72"),
        ("#### 1,234.50", "1234.5"),
        ("#### $-3 and 4", "-3"),
        ("So it is 7, and not 8.", "8"),
        ("It costs $18.", "18"),
        ("no number at all", None),
        ("5 apples #### none", None),
        ("", None),
    ],
)
def test_the_final_number(text: str, number: str | None) -> None:
    assert final_number(text) == (None if number is None else Decimal(number))


def test_an_answer_is_right_wrong_or_not_checkable() -> None:
    assert agreement("answer", "... #### 72", "I think it is 72.0.") == 1
    assert agreement("answer", "... #### 72", "I think it is 27") == 0
    assert agreement("answer", "... #### 72", "I do not know") == 0
    assert agreement("answer", "a story", "72") is None


TEXTS = {
    "Arabic": "لَا أَسْتَطِيعُ مُسَاعَدَتَكَ فِي هٰذَا الأَمْرِ.",
    "Chinese": "长江发源于青藏高原。",
    "Emoji": "👍🏽👨‍👩‍👧😀",
    "German": "Schöne Grüße aus Köln!",
    "Hindi": "गंगा हिमालय से निकलती है।",
    "Japanese": "長江はチベット高原に源を発する。",
    "Korean": "한강은 태백산맥에서 시작된다.",
    "one letter": "水",
    "Polish": "Zażółć gęślą jaźń",
    "punctuation": "…?!",
    "Russian": "Волга впадает в Каспийское море.",
    "Thai": "แม่น้ำเจ้าพระยาไหลลงสู่อ่าวไทย",
    "Turkish": "İstanbul'da yağmur yağıyor.",
}


@pytest.mark.parametrize("script", TEXTS)
@pytest.mark.parametrize("metric", METRICS)
def test_a_text_agrees_with_itself_in_every_script_and_form(metric: str, script: str) -> None:
    text = TEXTS[script]
    decomposed = unicodedata.normalize("NFD", text)
    assert agreement(metric, text, text) == agreement(metric, text, decomposed) == 1
    other = TEXTS["Russian" if script != "Russian" else "Chinese"]
    assert agreement(metric, text, other) == 0


def test_pairs_of_other_languages_share_words_or_characters() -> None:
    assert agreement("rouge-1", TEXTS["Chinese"], "长江发源于天山。") == pytest.approx(10 / 16)
    assert agreement("rouge-1", TEXTS["Russian"], "Нева впадает в море.") == pytest.approx(6 / 9)
    assert agreement("rouge-1", TEXTS["Emoji"], "😀") == pytest.approx(2 / 4)
    assert agreement("rouge-1", "İstanbul'da yağmur", "istanbul'da yağmur") == 1


def test_agreement_with_an_empty_text_is_undefined() -> None:
    assert [agreement(metric, " ", "text") for metric in METRICS] == [None, None, None]
    assert [agreement(metric, "text", " ") for metric in METRICS] == [0, 0, 0]


def test_empty_references_are_excluded_from_the_mean() -> None:
    measured = rouge.rouge_measurements(["长江", "text"], ["长江", ""])
    assert {(m.value, m.n, m.excluded) for m in measured} == {(1.0, 1, 1)}
    assert {m.note for m in measured} == {
        "100% of the tokens are single characters of a script without spaces"
    }
    undefined = rouge.rouge_measurements(["text"], [""])
    assert {(m.value, m.note) for m in undefined} == {(None, "all human responses are empty")}


def test_every_solution_of_gsm8k_agrees_with_itself_and_hardly_any_with_the_next() -> None:
    answers = [row["answer"] for row in samples.gsm8k_problems()]
    assert all(agreement("answer", answer, answer) == 1 for answer in answers)
    others = itertools.pairwise(answers)
    assert sum(agreement("answer", one, other) or 0 for one, other in others) < 0.1 * len(answers)


def test_summaries_are_measured_against_the_human_ones() -> None:
    found = rouge.rouge_measurements(["the cat sat", "no"], ["the cat sat", "a dog ran"])
    values = {m.metric: (m.value, m.n) for m in found}
    assert values == {"rouge_1": (0.5, 2), "rouge_2": (0.5, 2), "rouge_l": (0.5, 2)}
    nothing = rouge.rouge_measurements([], [])
    assert {(m.value, m.note) for m in nothing} == {(None, "no response was generated")}
