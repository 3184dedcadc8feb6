"""Properties of all lexical metrics: order, names of words, and response to copies of a text."""

import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

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
from tests.support.coded_words import Integers, in_order, random_corpus

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
