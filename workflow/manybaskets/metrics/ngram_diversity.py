"""Diversity of text: self-BLEU and distinct-n.

Self-BLEU by Zhu et al. 2018 (Texygen), exact and in linear time; distinct-n by Li et al. 2016.
Both depend on how many texts there are and how long they are; `corpus` fixes both.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.registry import MetricOfWords
from manybaskets.metrics.sample import Integers, encode

BLEU_ORDER = 4
SMOOTHING = 0.1  # Chen & Cherry 2014, method 1: the numerator of a precision without matches


def self_bleu(documents: Sequence[Sequence[str]], max_n: int = BLEU_ORDER) -> float:
    """Mean over documents of BLEU against all other documents, from 0 (disjoint) to 1 (identical).

    Sentence BLEU with uniform weights over the orders 1..`max_n`, precisions clipped by the
    largest count in any one reference, the brevity penalty of the closest reference length (the
    shorter of two equally close ones), and smoothing method 1 of Chen & Cherry 2014: a precision
    without matches has the numerator 0.1. It equals the mean of NLTK's `sentence_bleu` with
    `SmoothingFunction().method1`, also where NLTK's choice matters:

    - a document without any shared token scores 0, an empty one too;
    - a document of fewer than n tokens has the n-gram precision 0.1/1, so that even identical
      documents score below 1 when they are shorter than `max_n` tokens.

    Leave-one-out references cost nothing extra, because the largest count of an n-gram in all
    other documents is its largest count, or its second largest where this document holds the
    largest. Time and memory grow with the number of tokens, not with pairs of documents.

    Raises ValueError for fewer than two documents, for which self-BLEU is not defined.
    """
    if len(documents) < 2:
        raise ValueError(f"self-BLEU compares at least 2 documents; {len(documents)} given.")
    if max_n < 1:
        raise ValueError(f"max_n is {max_n}; the shortest n-gram has 1 token.")
    return coded_self_bleu(*encode(documents), max_n)


SELF_BLEU = MetricOfWords(
    "self_bleu",
    "self-BLEU",
    "Mean BLEU-4 of each response against all others of a sample of fixed size, every "
    "response cut to the same number of tokens, from 0 to 1; higher is less varied text.",
    better="lower",
    unit="BLEU, 0 to 1",
    compute=lambda sample: coded_self_bleu(sample.tokens, sample.lengths),
    reading="higher: less varied",
)


def distinct_n(documents: Sequence[Sequence[str]], n: int) -> float:
    """Share of different n-grams among all n-grams of the documents, above 0 up to 1.

    Li et al. 2016, over all documents together; no n-gram reaches from one document into the
    next. It falls with the amount of text, so compare it at equal amounts only. Raises ValueError
    where there is no n-gram at all, for which it is not defined.
    """
    if n < 1:
        raise ValueError(f"n is {n}; the shortest n-gram has 1 token.")
    tokens, lengths = encode(documents)
    if not np.any(lengths >= n):
        raise ValueError(f"distinct-{n} is not defined: no document has {n} tokens or more.")
    return coded_distinct_n(tokens, lengths, n)


DISTINCT_1 = MetricOfWords(
    "distinct_1",
    "distinct-1",
    "Share of different tokens among all tokens of a sample of fixed size, every response cut "
    "to the same number of tokens, from 0 to 1; higher is more varied text.",
    better="higher",
    unit="share",
    compute=lambda sample: coded_distinct_n(sample.tokens, sample.lengths, 1),
    reading="higher: more varied",
)

DISTINCT_2 = MetricOfWords(
    "distinct_2",
    "distinct-2",
    "Share of different token pairs among all token pairs of a sample of fixed size, every "
    "response cut to the same number of tokens, from 0 to 1; higher is more varied text.",
    better="higher",
    unit="share",
    compute=lambda sample: coded_distinct_n(sample.tokens, sample.lengths, 2),
    reading="higher: more varied",
)

DISTINCT_3 = MetricOfWords(
    "distinct_3",
    "distinct-3",
    "Share of different token triples among all token triples of a sample of fixed size, "
    "every response cut to the same number of tokens, from 0 to 1; higher is more varied "
    "text.",
    better="higher",
    unit="share",
    compute=lambda sample: coded_distinct_n(sample.tokens, sample.lengths, 3),
    reading="higher: more varied",
)


def coded_self_bleu(tokens: Integers, lengths: Integers, max_n: int = BLEU_ORDER) -> float:
    """`self_bleu` of documents that `encode` has coded."""
    n_documents = len(lengths)
    log_precisions = np.zeros(n_documents)
    any_match = np.zeros(n_documents, dtype=bool)
    for n, matches in enumerate(leave_one_out_matches(tokens, lengths, max_n), start=1):
        if n == 1:
            any_match = matches > 0
        log_precisions += np.log(
            np.where(matches == 0, SMOOTHING, matches) / np.maximum(lengths - n + 1, 1)
        )
    scores = np.where(any_match, np.exp(log_brevity(lengths) + log_precisions / max_n), 0.0)
    return math.fsum(scores) / n_documents  # fsum: the same bits in whatever order they come


def coded_distinct_n(tokens: Integers, lengths: Integers, n: int) -> float:
    """`distinct_n` of documents that `encode` has coded."""
    grams, _ = list(ngrams(tokens, lengths, n))[-1]
    return len(np.unique(grams)) / len(grams)


def leave_one_out_matches(tokens: Integers, lengths: Integers, max_n: int) -> Iterator[Integers]:
    """Per order 1..`max_n`: clipped matches of each document with all others, (documents,)."""
    for grams, document_of_gram in ngrams(tokens, lengths, max_n):
        yield _clipped_matches(grams, document_of_gram, len(lengths))


def log_brevity(lengths: Integers) -> NDArray[np.float64]:
    """Logarithm of each document's brevity penalty against the closest other length."""
    shortfall: NDArray[np.float64] = 1 - _closest_other_length(lengths) / np.maximum(lengths, 1)
    return np.minimum(shortfall, 0)


def ngrams(tokens: Integers, lengths: Integers, max_n: int) -> list[tuple[Integers, Integers]]:
    """For n = 1..max_n: the n-grams as integers and the document of each, both (n-grams,)."""
    document_of_token = np.repeat(np.arange(len(lengths)), lengths)
    n_codes = int(tokens.max(initial=0)) + 1
    grams, starts = tokens, np.arange(len(tokens))
    of_order = [(grams, document_of_token)]
    for n in range(2, max_n + 1):
        # Extend each (n-1)-gram by the next token, unless that belongs to the next document.
        ends = starts + n - 1
        inside = ends < len(tokens)
        inside[inside] = document_of_token[starts[inside]] == document_of_token[ends[inside]]
        starts, ends = starts[inside], ends[inside]
        # Numbered anew at each order, so that no product can leave 64 bits.
        _, grams = np.unique(grams[inside] * n_codes + tokens[ends], return_inverse=True)
        of_order.append((grams, document_of_token[starts]))
    return of_order


def _clipped_matches(grams: Integers, document_of_gram: Integers, n_documents: int) -> Integers:
    """Matches of each document with its leave-one-out references, shape (documents,)."""
    if len(grams) == 0:
        return np.zeros(n_documents, dtype=np.int64)
    cells, counts = np.unique(grams * n_documents + document_of_gram, return_counts=True)
    gram_of_cell, document_of_cell = np.divmod(cells, n_documents)
    first_cells = np.flatnonzero(np.diff(gram_of_cell, prepend=-1))  # of each n-gram
    group = np.repeat(np.arange(len(first_cells)), np.diff(first_cells, append=len(cells)))
    largest = np.maximum.reduceat(counts, first_cells)
    holders = np.flatnonzero(counts == largest[group])
    holders = holders[np.diff(group[holders], prepend=-1) != 0]  # one document per n-gram
    without_holders = counts.copy()
    without_holders[holders] = 0
    limit = largest[group]
    limit[holders] = np.maximum.reduceat(without_holders, first_cells)
    clipped = np.minimum(counts, limit)
    return np.bincount(document_of_cell, clipped, n_documents).astype(np.int64)


def _closest_other_length(lengths: Integers) -> NDArray[np.float64]:
    """For each document the length of the other one closest to it, shape (documents,)."""
    different, position, counts = np.unique(lengths, return_inverse=True, return_counts=True)
    gaps = np.diff(different).astype(np.float64)
    below = np.concatenate([[np.inf], gaps])
    above = np.concatenate([gaps, [np.inf]])
    neighbour = np.where(below <= above, different - below, different + above)
    return np.where(counts > 1, different, neighbour)[position]
