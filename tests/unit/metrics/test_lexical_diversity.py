"""Words in text: against definitions written out plainly, published values, and invariances."""

import gzip
import lzma
import math
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, spatial, stats

from manybaskets.metrics.lexical_diversity import (
    compression_ratio,
    expectation_adjusted_distinct,
    hapax_share,
    hdd,
    heaps,
    jensen_shannon,
    mattr,
    mtld,
    ngram_entropy,
    self_repetition,
    zipf_exponent,
)
from tests.support import samples
from tests.support.public_files import WIKITEXT_2_VALID, path_of

Integers = NDArray[np.int64]
Texts = list[list[str]]

# The README of lexicalrichness 0.5.1, whose values for it are the golden ones below.
README = """Measure of textual lexical diversity, computed as the mean length of sequential words in
 a text that maintains a minimum threshold TTR score.

 Iterates over words until TTR scores falls below a threshold, then increase factor
 counter by 1 and start over. McCarthy and Jarvis (2010, pg. 385) recommends a factor
 threshold in the range of [0.660, 0.750].
 (McCarthy 2005, McCarthy and Jarvis 2010)"""

NOTHING = np.array([], dtype=np.int64)

some_texts = st.lists(st.lists(st.sampled_from("abcd"), max_size=7), max_size=6)
some_words = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60)


def coded(texts: Texts) -> tuple[Integers, Integers]:
    codes: dict[str, int] = {}
    tokens = [codes.setdefault(word, len(codes)) for text in texts for word in text]
    lengths = [len(text) for text in texts]
    return np.array(tokens, dtype=np.int64), np.array(lengths, dtype=np.int64)


def words(text: str) -> Integers:
    return coded([text.split()])[0]


def random_corpus(documents: int, length: int, seed: int = 0) -> tuple[Integers, Integers]:
    generator = np.random.default_rng(seed)
    tokens = generator.zipf(1.1, documents * length) % 5_000
    return tokens.astype(np.int64), np.full(documents, length)


def in_order(tokens: Integers, lengths: Integers, order: Integers) -> tuple[Integers, Integers]:
    texts = np.split(tokens, np.cumsum(lengths)[:-1])
    return np.concatenate([texts[i] for i in order]), lengths[order]


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


def test_ead_joins_no_documents() -> None:
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
    """By the definition, in exact numbers."""
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
def test_mtld_at_a_threshold_that_is_no_ratio_is_refused(threshold: float) -> None:
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


def test_repetition_within_a_document_is_no_self_repetition() -> None:
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


# Zipf's law


@pytest.mark.parametrize("seed", range(4))
def test_zipf_exponent_is_the_most_likely_one(seed: int) -> None:
    tokens, _ = random_corpus(20, 50, seed)
    counts = sorted(Counter(tokens.tolist()).values(), reverse=True)

    def minus_log_likelihood(s: float) -> float:
        normaliser = sum(r**-s for r in range(1, len(counts) + 1))
        return -sum(
            count * math.log(rank**-s / normaliser) for rank, count in enumerate(counts, start=1)
        )

    best = optimize.minimize_scalar(minus_log_likelihood, bounds=(0, 5), method="bounded")
    assert zipf_exponent(tokens) == pytest.approx(best.x, abs=1e-4)


def test_zipf_exponent_of_counts_that_follow_the_law_is_that_of_the_law() -> None:
    counts = np.round(1e6 * np.arange(1, 201) ** -1.3).astype(np.int64)
    assert zipf_exponent(np.repeat(np.arange(200), counts)) == pytest.approx(1.3, abs=1e-4)


@pytest.mark.parametrize(("often", "seldom"), [(3, 1), (5_000, 2), (200_000, 1)])
def test_zipf_exponent_of_two_types_is_the_log_of_their_ratio(often: int, seldom: int) -> None:
    tokens = np.repeat([1, 0], [often, seldom])
    assert zipf_exponent(tokens) == pytest.approx(math.log2(often / seldom), abs=1e-9)


def test_zipf_exponent_of_equally_frequent_types_is_zero() -> None:
    assert zipf_exponent(np.tile(np.arange(37), 3)) == pytest.approx(0, abs=1e-9)


def test_zipf_exponent_of_one_type_is_not_defined() -> None:
    with pytest.raises(ValueError, match="at least 2 types; there are 1"):
        zipf_exponent(np.zeros(10, dtype=np.int64))
    with pytest.raises(ValueError, match="there are 0"):
        zipf_exponent(NOTHING)


# Heaps' law


def test_heaps_law_is_the_mean_of_plain_fits_over_orders_of_documents() -> None:
    tokens, _ = random_corpus(60, 50)
    lengths = np.array([20, 80, 0, 100, 50] * 12)
    generator = np.random.default_rng(5)
    sizes = [round(100 * 30 ** (i / 29)) for i in range(30)]  # 100 to 3,000
    fits = []
    for _ in range(3):
        shuffled, _ = in_order(tokens, lengths, generator.permutation(len(lengths)))
        types = [len(set(shuffled[:size].tolist())) for size in sizes]
        fits.append(stats.linregress(np.log(sizes), np.log(types)))
    k, beta = heaps(tokens, lengths, 3, np.random.default_rng(5))
    assert beta == pytest.approx(np.mean([fit.slope for fit in fits]), rel=1e-9)
    assert k == pytest.approx(math.exp(np.mean([fit.intercept for fit in fits])), rel=1e-9)


def test_heaps_law_of_one_document_has_only_one_order() -> None:
    tokens, _ = random_corpus(1, 2_000)
    fits = [heaps(tokens, np.array([2_000]), n, np.random.default_rng(n)) for n in (1, 7)]
    assert fits[0] == pytest.approx(fits[1])


def test_heaps_law_of_one_word_and_of_different_words_are_its_limits() -> None:
    lengths = np.full(50, 40)
    same = heaps(np.zeros(2_000, dtype=np.int64), lengths, 2, np.random.default_rng(0))
    different = heaps(np.arange(2_000), lengths, 2, np.random.default_rng(0))
    assert same == pytest.approx((1, 0), abs=1e-9)
    assert different == pytest.approx((1, 1), abs=1e-9)


def test_heaps_law_of_too_little_text_is_not_defined() -> None:
    with pytest.raises(ValueError, match="at least 1000 tokens; there are 999"):
        heaps(np.arange(999), np.array([999]), 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="orders is 0; it must be at least 1"):
        heaps(np.arange(2_000), np.array([2_000]), 0, np.random.default_rng(0))


# Jensen-Shannon divergence


@settings(deadline=None, max_examples=100)
@given(some_words, some_words)
def test_jensen_shannon_is_that_of_scipy(a: list[str], b: list[str]) -> None:
    shares = [[text.count(word) for word in "abcdefgh"] for text in (a, b)]
    expected = spatial.distance.jensenshannon(*shares, base=2) ** 2
    tokens, (length, _) = coded([a, b])
    value = jensen_shannon(tokens[:length], tokens[length:])
    assert value == pytest.approx(expected, abs=1e-9)
    assert value == pytest.approx(jensen_shannon(tokens[length:], tokens[:length]), abs=1e-15)


def test_jensen_shannon_is_zero_at_equal_shares_and_one_without_a_common_word() -> None:
    tokens, _ = random_corpus(10, 50)
    assert jensen_shannon(tokens, np.tile(tokens, 3)) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(tokens, tokens + 10_000) == 1


def test_jensen_shannon_of_two_samples_of_one_text_falls_with_their_size() -> None:
    tokens, _ = random_corpus(400, 100)
    null = [jensen_shannon(tokens[:n], tokens[n : 2 * n]) for n in (200, 2_000, 20_000)]
    assert null == sorted(null, reverse=True)
    assert null[-1] > 0


def test_jensen_shannon_of_an_empty_text_is_not_defined() -> None:
    with pytest.raises(ValueError, match="they have 0 and 3"):
        jensen_shannon(NOTHING, np.arange(3))


# Hapaxes


def test_hapax_share_counts_types_that_occur_once() -> None:
    assert hapax_share(words("a b b c c c d")) == 2 / 4
    assert hapax_share(np.arange(9)) == 1
    assert hapax_share(np.zeros(9, dtype=np.int64)) == 0


def test_hapax_share_of_nothing_is_not_defined() -> None:
    with pytest.raises(ValueError, match="there are no tokens"):
        hapax_share(NOTHING)


# What all of them have in common

Metric = Callable[[Integers, Integers], float]

OF_BAGS: dict[str, Metric] = {
    "ead_1": lambda tokens, lengths: expectation_adjusted_distinct(tokens, lengths, 1, 5_000),
    "ead_3": lambda tokens, lengths: expectation_adjusted_distinct(tokens, lengths, 3, 5_000),
    "hdd": lambda tokens, _: hdd(tokens),
    "self_repetition": self_repetition,
    "entropy_1": lambda tokens, lengths: ngram_entropy(tokens, lengths, 1),
    "entropy_2": lambda tokens, lengths: ngram_entropy(tokens, lengths, 2),
    "zipf": lambda tokens, _: zipf_exponent(tokens),
    "hapax": lambda tokens, _: hapax_share(tokens),
}
OF_SEQUENCES: dict[str, Metric] = {
    "mtld": lambda tokens, _: mtld(tokens),
    "mattr": lambda tokens, _: mattr(tokens),
    "heaps_beta": lambda tokens, lengths: heaps(tokens, lengths, 3, np.random.default_rng(2))[1],
}


@pytest.mark.parametrize("name", OF_BAGS)
def test_the_order_of_documents_does_not_matter_to_the_last_bit(name: str) -> None:
    tokens, _ = random_corpus(50, 30)
    lengths = np.array([10, 50] * 25)
    order = np.random.default_rng(1).permutation(50)
    shuffled = in_order(tokens, lengths, order)
    assert not np.array_equal(shuffled[0], tokens)
    assert OF_BAGS[name](*shuffled) == OF_BAGS[name](tokens, lengths)


@pytest.mark.parametrize("name", OF_BAGS | OF_SEQUENCES)
def test_the_names_of_words_and_empty_documents_do_not_matter(name: str) -> None:
    metric = (OF_BAGS | OF_SEQUENCES)[name]
    tokens, lengths = random_corpus(50, 30)
    renamed = np.random.default_rng(1).permutation(1_000_000)[tokens]
    assert metric(renamed, lengths) == pytest.approx(metric(tokens, lengths), rel=1e-12)
    if name not in ("self_repetition", "heaps_beta"):  # a mean over documents, an order of them
        with_empty = np.insert(lengths, [0, 25, 50], 0)
        assert metric(tokens, with_empty) == metric(tokens, lengths)


def test_twice_the_same_text_keeps_its_shares_and_has_no_hapaxes() -> None:
    tokens, lengths = random_corpus(50, 30)
    twice = np.tile(tokens, 2), np.tile(lengths, 2)
    assert zipf_exponent(twice[0]) == pytest.approx(zipf_exponent(tokens), rel=1e-9)
    assert hapax_share(twice[0]) == 0
    distinct = expectation_adjusted_distinct(tokens, lengths, 2, 10**15)
    assert expectation_adjusted_distinct(*twice, 2, 10**15) == pytest.approx(distinct / 2)
    assert self_repetition(*twice) > self_repetition(tokens, lengths)


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("ead_1", -1),
        ("ead_3", -1),
        ("hdd", -1),
        ("self_repetition", 1),
        ("entropy_1", -1),
        ("entropy_2", -1),
        ("mtld", -1),
        ("mattr", -1),
        ("heaps_beta", -1),
    ],
)
def test_replacing_documents_by_one_moves_each_metric_one_way(name: str, direction: int) -> None:
    tokens, lengths = random_corpus(100, 30)
    rows = tokens.reshape(100, 30)
    metric = (OF_BAGS | OF_SEQUENCES)[name]
    values = [
        metric(np.concatenate([np.tile(rows[0], k), rows[k:].ravel()]), lengths)
        for k in (1, 20, 40, 60, 80, 100)
    ]
    assert np.all(np.diff(values) * direction > 0)


@pytest.mark.parametrize("method", ["gzip", "xz"])
def test_replacing_documents_by_one_compresses_better(method: Literal["gzip", "xz"]) -> None:
    tokens, _ = random_corpus(100, 30)
    texts = [" ".join(map(str, row)) for row in tokens.reshape(100, 30)]
    values = [
        compression_ratio("\n".join([texts[0]] * k + texts[k:]).encode(), method)
        for k in (1, 20, 40, 60, 80, 100)
    ]
    assert np.all(np.diff(values) > 0)


def test_replacing_documents_by_one_leaves_the_words_of_the_text_behind() -> None:
    tokens, _ = random_corpus(100, 30)
    rows = tokens.reshape(100, 30)
    values = [
        jensen_shannon(tokens, np.concatenate([np.tile(rows[0], k), rows[k:].ravel()]))
        for k in (1, 20, 40, 60, 80, 100)
    ]
    assert values[0] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(values) > 0)


def test_all_metrics_of_a_thousand_documents_take_a_fraction_of_a_second() -> None:
    # 80 tokens each: 0.2 s on the machine this was written on
    tokens, lengths = random_corpus(1_000, 80)
    start = time.process_time()
    for metric in (OF_BAGS | OF_SEQUENCES).values():
        metric(tokens, lengths)
    assert time.process_time() - start < 2
