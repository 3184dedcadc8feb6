"""Diversity: self-BLEU against two other implementations, distinct-n, and equal samples."""

import time
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from manybaskets.metrics.ngram_diversity import distinct_n, self_bleu
from manybaskets.metrics.tokenization import tokenize

SENTENCES = [
    "the cat sat on the mat .",
    "the cat sat on a red mat .",
    "a dog sat .",
    "the dog",
    "rain",
    "",
    "the cat sat on the mat and the dog sat on the cat .",
    "she reads the book on the mat",
]


def documents(sentences: list[str]) -> list[list[str]]:
    return [sentence.split() for sentence in sentences]


def random_documents(n: int, length: int, words: int, seed: int = 0) -> list[list[str]]:
    random = Random(seed)
    return [[f"w{random.randrange(words)}" for _ in range(length)] for _ in range(n)]


def test_tokens_are_words_and_single_punctuation_marks_with_their_case() -> None:
    assert tokenize("Don't stop, Zoë!  x_1") == ["Don", "'", "t", "stop", ",", "Zoë", "!", "x_1"]


@pytest.mark.parametrize("max_n", [1, 2, 3, 4])
def test_self_bleu_of_identical_documents_is_one(max_n: int) -> None:
    assert self_bleu([["a", "b", "c", "a", "d"]] * 5, max_n) == 1


def test_self_bleu_of_disjoint_documents_is_zero() -> None:
    assert self_bleu([["a", "b", "c", "d"], ["e", "f", "g", "h"], ["i", "j", "k", "l"]]) == 0


def test_self_bleu_of_empty_documents_is_zero() -> None:
    assert self_bleu([[], []]) == 0


@pytest.mark.parametrize("few", [[], [["a", "b"]]])
def test_self_bleu_of_fewer_than_two_documents_is_not_defined(few: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="at least 2 documents"):
        self_bleu(few)


# Golden values: the mean of nltk 3.10.4 sentence_bleu with SmoothingFunction().method1.
@pytest.mark.parametrize(
    ("sentences", "max_n", "expected"),
    [
        (SENTENCES, 2, 0.5344491283841734),
        (SENTENCES, 3, 0.3753506412027601),
        (SENTENCES, 4, 0.30128878240909684),
        (SENTENCES[:2], 4, 0.41748508986419886),
        (SENTENCES[3:5], 4, 0.0),
        (SENTENCES[2:5], 3, 0.08189589125898528),
        (SENTENCES[2:5], 4, 0.07662590667219576),
    ],
)
def test_self_bleu_is_that_of_nltk(sentences: list[str], max_n: int, expected: float) -> None:
    assert self_bleu(documents(sentences), max_n) == pytest.approx(expected, abs=1e-14)


def test_identical_documents_shorter_than_an_ngram_score_below_one_as_in_nltk() -> None:
    short = documents(["the dog"] * 3)
    assert self_bleu(short, 2) == 1
    assert self_bleu(short, 4) == pytest.approx(0.316227766016838, abs=1e-14)


@settings(deadline=None, max_examples=60)
@given(
    # sacrebleu scores documents shorter than the longest n-gram differently
    st.lists(st.lists(st.sampled_from("abcde"), min_size=4, max_size=12), min_size=2, max_size=8),
    st.integers(1, 4),
)
def test_self_bleu_is_that_of_sacrebleu(texts: list[list[str]], max_n: int) -> None:
    bleu = BLEU(
        tokenize="none",
        smooth_method="floor",
        smooth_value=0.1,
        max_ngram_order=max_n,
        effective_order=True,
    )
    scores = [
        bleu.sentence_score(
            " ".join(text), [" ".join(other) for j, other in enumerate(texts) if j != i]
        ).score
        for i, text in enumerate(texts)
    ]
    assert self_bleu(texts, max_n) == pytest.approx(np.mean(scores) / 100, abs=1e-9)


def test_self_bleu_does_not_depend_on_the_order_of_documents_or_on_the_words() -> None:
    texts = random_documents(40, 12, 9)
    shuffled = Random(3).sample(texts, len(texts))
    renamed = [[f"{word}'" for word in text] for text in shuffled]
    assert self_bleu(texts) == self_bleu(shuffled) == self_bleu(renamed)


def test_self_bleu_grows_with_the_share_of_documents_replaced_by_one() -> None:
    texts = random_documents(50, 20, 30)
    scores = [self_bleu([texts[0]] * k + texts[k:]) for k in (1, 10, 20, 30, 40, 50)]
    assert scores == sorted(scores)
    assert scores[-1] == 1


@pytest.mark.slow
def test_self_bleu_of_ten_thousand_documents_takes_seconds() -> None:
    # Zipf-like words, 80 tokens each: 0.7 s on the machine this was written on
    generator = np.random.default_rng(0)
    texts = [[f"w{word}" for word in row] for row in generator.zipf(1.2, (10_000, 80)) % 20_000]
    start = time.process_time()
    self_bleu(texts)
    assert time.process_time() - start < 5


def test_distinct_n_is_the_share_of_different_ngrams() -> None:
    texts = documents(["a b a b", "b a c"])
    assert distinct_n(texts, 1) == 3 / 7
    assert distinct_n(texts, 2) == 3 / 5  # ab ba ab | ba ac: no pair "b b" across documents
    assert distinct_n(texts, 3) == 3 / 3


def test_distinct_n_of_copies_is_the_inverse_of_their_number() -> None:
    assert distinct_n([["a", "b", "c", "d"]] * 10, 2) == pytest.approx(1 / 10)


def test_distinct_n_without_an_ngram_is_not_defined() -> None:
    with pytest.raises(ValueError, match="no document has 3 tokens"):
        distinct_n([["a", "b"], []], 3)
    with pytest.raises(ValueError, match="no document has 1 tokens"):
        distinct_n([], 1)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=6), st.integers(1, 4))
def test_distinct_n_is_that_of_a_set_of_tuples(texts: list[list[str]], n: int) -> None:
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    if grams:
        assert distinct_n(texts, n) == len(set(grams)) / len(grams)
