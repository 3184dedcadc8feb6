"""Laws of word frequencies and divergence of vocabularies: definitions, scipy, and limits."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import optimize, spatial, stats

from manybaskets.metrics.lexical_diversity import (
    hapax_share,
    heaps,
    jensen_shannon,
    zipf_exponent,
)
from tests.support.coded_words import NOTHING, coded, in_order, random_corpus, some_words, words

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
