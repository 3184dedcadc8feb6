"""Lexical diversity: compared with plain definitions and published values; invariances."""

import gzip
import lzma
import math
import re
import zlib
from collections import Counter
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from manybaskets.metrics.lexical_diversity import (
    compression_ratio,
    expectation_adjusted_distinct,
    hapax_share,
    hdd,
    heaps,
    mattr,
    mtld,
    ngram_entropy,
    self_repetition,
    zipf_exponent,
)
from tests.support import samples
from tests.support.coded_words import (
    NOTHING,
    Integers,
    Texts,
    coded,
    random_corpus,
    some_words,
    words,
)
from tests.support.public_files import WIKITEXT_2_VALID, path_of

# The README of lexicalrichness 0.5.1, whose values for it are the golden ones below.
README = """Measure of textual lexical diversity, computed as the mean length of sequential words in
 a text that maintains a minimum threshold TTR score.

 Iterates over words until TTR scores falls below a threshold, then increase factor
 counter by 1 and start over. McCarthy and Jarvis (2010, pg. 385) recommends a factor
 threshold in the range of [0.660, 0.750].
 (McCarthy 2005, McCarthy and Jarvis 2010)"""

some_texts = st.lists(st.lists(st.sampled_from("abcd"), max_size=7), max_size=6)


def grams_of(texts: Texts, n: int) -> list[tuple[str, ...]]:
    return [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]


def wikitext() -> Integers:
    """The validation part of WikiText-2 as one document, with the usual <eos> after each line."""
    lines = path_of(WIKITEXT_2_VALID).read_text(encoding="utf-8").split("\n")[:-1]
    return coded([[word for line in lines for word in [*line.split(), "<eos>"]]])[0]


# Published and measured values


def test_mtld_hdd_and_mattr_are_those_of_lexicalrichness() -> None:
    tokens = words(" ".join(re.findall("[a-z]+", README.lower())))
    assert len(tokens) == 57
    assert len(set(tokens.tolist())) / len(tokens) == pytest.approx(0.68421, abs=5e-6)
    assert mtld(tokens) == pytest.approx(46.79226, abs=5e-6)
    assert hdd(tokens) == pytest.approx(0.746870, abs=5e-7)
    assert mattr(tokens, 25) == pytest.approx(0.835152, abs=5e-7)


def test_solutions_have_the_counts_and_entropy_of_their_definitions() -> None:
    tokens, lengths = coded([text.split() for text in samples.model_texts()])
    texts = [text.split() for text in samples.model_texts()]
    for n in (1, 2, 3):
        grams = Counter(grams_of(texts, n))
        # Among so many possible words no two draws are the same: EAD is distinct-n.
        value = expectation_adjusted_distinct(tokens, lengths, n, 10**15)
        assert value == pytest.approx(len(grams) / grams.total(), rel=1e-6)
        miller_madow = (len(grams) - 1) / (2 * grams.total() * math.log(2))
        plug_in = stats.entropy(list(grams.values()), base=2)
        assert ngram_entropy(tokens, lengths, n) == pytest.approx(plug_in + miller_madow, rel=1e-9)
    counts = Counter(word for text in texts for word in text)
    once = sum(count == 1 for count in counts.values())
    assert hapax_share(tokens) == pytest.approx(once / len(counts))


def test_solutions_compress_as_much_as_gzip_compresses_them() -> None:
    content = " ".join(samples.model_texts()).encode()
    expected = len(content) / len(gzip.compress(content))
    assert compression_ratio(content, "gzip") == pytest.approx(expected, rel=2e-3)


@pytest.mark.network
def test_wikitext_has_its_known_counts_and_laws() -> None:
    tokens = wikitext()
    one = np.array([len(tokens)])
    types = len(set(tokens.tolist()))
    assert (len(tokens), types) == (217_646, 13_777)
    for n, distinct in enumerate([0.06330, 0.44227, 0.77085, 0.91352], start=1):
        # Among so many possible words no two draws are the same: EAD is distinct-n.
        value = expectation_adjusted_distinct(tokens, one, n, 10**15)
        assert value == pytest.approx(distinct, abs=5e-6)
    plug_in = ngram_entropy(tokens, one, 1) - (types - 1) / (2 * len(tokens) * math.log(2))
    assert plug_in == pytest.approx(9.5703, abs=5e-5)
    assert zipf_exponent(tokens) == pytest.approx(1.0149, abs=5e-5)
    assert hapax_share(tokens) == pytest.approx(0.3314, abs=5e-5)


@pytest.mark.network
def test_heaps_law_of_wikitext_in_its_own_order_is_the_known_one() -> None:
    tokens = wikitext()
    k, beta = heaps(tokens, np.array([len(tokens)]), 1, np.random.default_rng(0))
    # measured with 40 points, whence the tolerance
    assert beta == pytest.approx(0.7274, abs=5e-4)
    assert k == pytest.approx(2.409, abs=5e-3)


# Expectation-adjusted distinct


@settings(deadline=None, max_examples=60)
@given(some_texts, st.integers(1, 4), st.integers(1, 50))
def test_ead_is_its_formula_in_exact_numbers(texts: Texts, n: int, vocabulary: int) -> None:
    grams = grams_of(texts, n)
    if not grams:
        return
    expected = vocabulary * (1 - Fraction(vocabulary - 1, vocabulary) ** len(grams))
    value = expectation_adjusted_distinct(*coded(texts), n, vocabulary)
    assert value == pytest.approx(float(len(set(grams)) / expected), rel=1e-12)


def test_ead_of_uniform_draws_is_one_whatever_their_number() -> None:
    generator = np.random.default_rng(0)
    for size in (300, 3_000, 30_000):
        tokens = generator.integers(0, 1_000, size)
        value = expectation_adjusted_distinct(tokens, np.array([size]), 1, 1_000)
        assert value == pytest.approx(1, abs=0.03)


def test_ead_does_not_join_documents() -> None:
    tokens, lengths = coded([["a", "b"], [], ["c"], ["a", "b"]])
    assert expectation_adjusted_distinct(tokens, lengths, 2, 10**15) == pytest.approx(1 / 2)


def test_ead_without_an_ngram_or_a_vocabulary_is_not_defined() -> None:
    tokens, lengths = coded([["a", "b"], []])
    with pytest.raises(ValueError, match="no 3-grams: no document has 3 tokens"):
        expectation_adjusted_distinct(tokens, lengths, 3, 10)
    with pytest.raises(ValueError, match="n is 0; it must be at least 1"):
        expectation_adjusted_distinct(tokens, lengths, 0, 10)
    with pytest.raises(ValueError, match="vocabulary is 0; it must be at least 1"):
        expectation_adjusted_distinct(tokens, lengths, 1, 0)


# MTLD


def plain_mtld(tokens: list[str], threshold: Fraction) -> Fraction:
    """MTLD by its definition, in exact numbers."""
    directions = []
    for sequence in (tokens, tokens[::-1]):
        factors, segment = Fraction(0), list[str]()
        for token in sequence:
            segment.append(token)
            if Fraction(len(set(segment)), len(segment)) <= threshold:
                factors, segment = factors + 1, []
        if segment:
            factors += (1 - Fraction(len(set(segment)), len(segment))) / (1 - threshold)
        directions.append(len(sequence) / factors)
    return sum(directions, Fraction(0)) / 2


@settings(deadline=None, max_examples=100)
@given(some_words, st.sampled_from(["0.72", "0.66", "0.5", "0.75"]))
def test_mtld_is_its_definition_in_exact_numbers(tokens: list[str], threshold: str) -> None:
    if len(set(tokens)) == len(tokens):
        return
    expected = float(plain_mtld(tokens, Fraction(threshold)))
    assert mtld(coded([tokens])[0], float(threshold)) == pytest.approx(expected, rel=1e-12)


def test_a_factor_of_mtld_ends_where_the_ratio_reaches_the_threshold() -> None:
    tokens = np.array([*range(18), *range(7)])  # 18 types in 25 tokens: 0.72
    assert mtld(tokens) == 25


def test_mtld_of_less_than_a_factor_is_extrapolated() -> None:
    assert mtld(words("a b c a")) == pytest.approx(4 / (0.25 / 0.28))


def test_mtld_is_the_same_backward() -> None:
    tokens, _ = random_corpus(10, 50)
    assert mtld(tokens) == mtld(tokens[::-1])


def test_mtld_of_one_word_repeated_is_two() -> None:
    assert mtld(np.zeros(100, dtype=np.int64)) == 2


def test_mtld_without_a_repeated_word_is_not_defined() -> None:
    with pytest.raises(ValueError, match="none of the 80 tokens occurs twice"):
        mtld(np.arange(80))
    with pytest.raises(ValueError, match="none of the 0 tokens"):
        mtld(NOTHING)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 72.0])
def test_mtld_at_a_threshold_that_is_not_a_ratio_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        mtld(words("a a b"), threshold)


# HD-D


@settings(deadline=None, max_examples=60)
@given(some_words, st.integers(1, 60))
def test_hdd_is_a_sum_of_exact_hypergeometric_probabilities(tokens: list[str], draws: int) -> None:
    if draws > len(tokens):
        return
    all_draws = math.comb(len(tokens), draws)
    found = [
        1 - Fraction(math.comb(len(tokens) - count, draws), all_draws)
        for count in Counter(tokens).values()
    ]
    expected = float(sum(found, Fraction(0)) / draws)
    assert hdd(coded([tokens])[0], draws) == pytest.approx(expected, rel=1e-12)


def test_hdd_of_many_tokens_is_that_of_scipy() -> None:
    tokens, _ = random_corpus(500, 40)
    counts = np.array(list(Counter(tokens.tolist()).values()))
    expected = stats.hypergeom.sf(0, len(tokens), counts, 42).sum() / 42
    assert hdd(tokens) == pytest.approx(expected, rel=1e-9)


def test_hdd_of_as_many_draws_as_tokens_is_the_type_token_ratio() -> None:
    assert hdd(words("a b a c a"), 5) == pytest.approx(3 / 5)


def test_hdd_of_one_word_and_of_different_words_are_its_limits() -> None:
    assert hdd(np.zeros(100, dtype=np.int64)) == pytest.approx(1 / 42)
    assert hdd(np.arange(100)) == pytest.approx(1)


def test_hdd_of_fewer_tokens_than_draws_is_not_defined() -> None:
    with pytest.raises(ValueError, match="draws 42 tokens; there are 41"):
        hdd(np.arange(41))
    with pytest.raises(ValueError, match="draws is 0; it must be at least 1"):
        hdd(np.arange(41), 0)


# MATTR


@settings(deadline=None, max_examples=100)
@given(some_words, st.integers(1, 60))
def test_mattr_is_the_mean_over_all_windows(tokens: list[str], window: int) -> None:
    if window > len(tokens):
        return
    windows = [tokens[i : i + window] for i in range(len(tokens) - window + 1)]
    types = [len(set(text)) for text in windows]
    assert mattr(coded([tokens])[0], window) == sum(types) / (len(windows) * window)


def test_mattr_of_one_word_and_of_different_words_are_its_limits() -> None:
    assert mattr(np.zeros(100, dtype=np.int64)) == 1 / 50
    assert mattr(np.arange(100)) == 1


def test_mattr_of_fewer_tokens_than_the_window_is_not_defined() -> None:
    with pytest.raises(ValueError, match="window of 50 tokens; there are 49"):
        mattr(np.arange(49))
    with pytest.raises(ValueError, match="window is 0; it must be at least 1"):
        mattr(np.arange(49), 0)


# Compression


def test_compression_ratio_is_that_of_the_compressors() -> None:
    text = " ".join(str(i * i) for i in range(5_000)).encode()
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    compressed = deflate.compress(text) + deflate.flush()
    assert compression_ratio(text, "gzip") == len(text) / len(compressed)
    coder = lzma.LZMACompressor(format=lzma.FORMAT_XZ)
    assert compression_ratio(text, "xz") == len(text) / len(coder.compress(text) + coder.flush())


def test_only_xz_sees_a_repetition_further_back_than_32_kilobytes() -> None:
    noise = np.random.default_rng(0).bytes(40_000)
    assert compression_ratio(noise * 2, "gzip") == pytest.approx(1, abs=0.01)
    assert compression_ratio(noise * 2, "xz") == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("method", ["gzip", "xz"])
def test_compression_ratio_of_an_empty_text_is_not_defined(method: Literal["gzip", "xz"]) -> None:
    with pytest.raises(ValueError, match="empty text is undefined"):
        compression_ratio(b"", method)


# Self-repetition


@settings(deadline=None, max_examples=60)
@given(some_texts, st.integers(1, 4))
def test_self_repetition_counts_the_other_documents_of_each_ngram(texts: Texts, n: int) -> None:
    sets = [set(grams_of([text], n)) for text in texts]
    if not any(sets):
        return
    logs = [
        math.log(1 + sum(gram in other for gram in own for j, other in enumerate(sets) if j != i))
        for i, own in enumerate(sets)
    ]
    expected = sum(logs) / len(texts)
    assert self_repetition(*coded(texts), n) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_self_repetition_of_disjoint_documents_is_zero() -> None:
    assert self_repetition(np.arange(40), np.array([10, 10, 20])) == 0


def test_repetition_within_a_document_is_not_self_repetition() -> None:
    assert self_repetition(np.zeros(40, dtype=np.int64), np.array([40])) == 0


def test_self_repetition_of_copies_counts_all_others() -> None:
    value = self_repetition(np.tile(np.arange(10), 6), np.full(6, 10))
    assert value == pytest.approx(math.log(1 + 7 * 5))


def test_documents_too_short_to_repeat_count_as_zero() -> None:
    tokens, lengths = np.tile(np.arange(10), 2), np.array([10, 10])
    with_short = self_repetition(np.append(tokens, [0, 1]), np.array([10, 10, 2, 0]))
    assert with_short == pytest.approx(self_repetition(tokens, lengths) / 2)


def test_self_repetition_without_an_ngram_is_not_defined() -> None:
    with pytest.raises(ValueError, match="no 4-grams"):
        self_repetition(NOTHING, NOTHING)
    with pytest.raises(ValueError, match="no 4-grams"):
        self_repetition(np.arange(6), np.array([3, 0, 3]))


# Entropy


@settings(deadline=None, max_examples=60)
@given(some_texts, st.integers(1, 4))
def test_entropy_is_the_plug_in_one_and_the_correction(texts: Texts, n: int) -> None:
    counts = Counter(grams_of(texts, n))
    total = counts.total()
    if total == 0:
        return
    plug_in = -sum(count / total * math.log2(count / total) for count in counts.values())
    expected = plug_in + (len(counts) - 1) / (2 * total) / math.log(2)
    assert ngram_entropy(*coded(texts), n) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_correction_of_entropy_removes_most_of_its_bias() -> None:
    generator = np.random.default_rng(0)
    samples = [generator.integers(0, 64, 300) for _ in range(200)]
    corrected = np.mean([ngram_entropy(sample, np.array([300]), 1) for sample in samples])
    plug_in = np.mean([stats.entropy(np.bincount(sample), base=2) for sample in samples])
    assert 6 - plug_in > 0.1
    assert corrected == pytest.approx(6, abs=0.015)


def test_entropy_of_one_word_repeated_is_zero() -> None:
    assert ngram_entropy(np.zeros(20, dtype=np.int64), np.array([15, 5]), 2) == 0


def test_entropy_without_an_ngram_is_not_defined() -> None:
    with pytest.raises(ValueError, match="no 1-grams"):
        ngram_entropy(NOTHING, np.array([0, 0]), 1)
