"""N-gram diversity of text: self-BLEU and distinct-n.

Self-BLEU of Zhu et al. 2018 (Texygen), exact and in linear time; distinct-n of Li et al. 2016.
Both depend on the number and the length of the texts; `probes.collapse.subsampling` fixes both.
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
    """Returns the mean BLEU of each document against all others, from 0 (disjoint) to 1 (equal).

    Sentence BLEU has uniform weights over the orders 1..`max_n`, precisions clipped by the largest
    count in any one reference, the brevity penalty of the closest reference length (the shorter of
    two equally close ones), and smoothing method 1 of Chen & Cherry 2014: a precision without
    matches has the numerator 0.1. The value equals the mean of NLTK's `sentence_bleu` with
    `SmoothingFunction().method1`, including two conventions of NLTK:

    - a document without a shared token scores 0, and so does an empty one;
    - a document of fewer than n tokens has the n-gram precision 0.1/1, so that even identical
      documents score below 1 if they have fewer than `max_n` tokens.

    Leave-one-out references need no extra time: the largest count of an n-gram in all other
    documents is its largest count overall, or its second largest if this document has the
    largest. Time and memory grow with the number of tokens, not with pairs of documents.

    Raises ValueError for fewer than two documents, for which self-BLEU is undefined.
    """
    if len(documents) < 2:
        raise ValueError(f"self-BLEU needs at least 2 documents; {len(documents)} given.")
    if max_n < 1:
        raise ValueError(f"max_n is {max_n}; it must be at least 1.")
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
    """Returns the distinct n-grams over all n-grams of the documents, above 0 and at most 1.

    Li et al. 2016, over all documents together; an n-gram never spans two documents. The value
    falls with the amount of text: compare it only at equal amounts. Raises ValueError if there
    are no n-grams, for which it is undefined.
    """
    if n < 1:
        raise ValueError(f"n is {n}; it must be at least 1.")
    tokens, lengths = encode(documents)
    if not np.any(lengths >= n):
        raise ValueError(f"distinct-{n} is undefined: no document has {n} tokens or more.")
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
    """Returns `self_bleu` of documents encoded by `encode`."""
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
    return math.fsum(scores) / n_documents  # fsum: the same bits in any order of documents


def coded_distinct_n(tokens: Integers, lengths: Integers, n: int) -> float:
    """Returns `distinct_n` of documents encoded by `encode`."""
    grams, _ = list(ngrams(tokens, lengths, n))[-1]
    return len(np.unique(grams)) / len(grams)


def leave_one_out_matches(tokens: Integers, lengths: Integers, max_n: int) -> Iterator[Integers]:
    """Yields per order 1..`max_n` each document's clipped matches with all others, (documents,)."""
    for grams, document_of_gram in ngrams(tokens, lengths, max_n):
        yield _clipped_matches(grams, document_of_gram, len(lengths))


def log_brevity(lengths: Integers) -> NDArray[np.float64]:
    """Returns the log brevity penalty of each document against the closest other length.

    Both are of shape (documents,).
    """
    shortfall: NDArray[np.float64] = 1 - _closest_other_length(lengths) / np.maximum(lengths, 1)
    return np.minimum(shortfall, 0)


def ngrams(tokens: Integers, lengths: Integers, max_n: int) -> list[tuple[Integers, Integers]]:
    """Returns for n = 1..max_n the n-grams as integers and their documents, both (n-grams,)."""
    document_of_token = np.repeat(np.arange(len(lengths)), lengths)
    n_codes = int(tokens.max(initial=0)) + 1
    grams, starts = tokens, np.arange(len(tokens))
    orders = [(grams, document_of_token)]
    for n in range(2, max_n + 1):
        # Extend each (n-1)-gram by the next token, unless that token is in the next document.
        ends = starts + n - 1
        inside = ends < len(tokens)
        inside[inside] = document_of_token[starts[inside]] == document_of_token[ends[inside]]
        starts, ends = starts[inside], ends[inside]
        # Dense codes at each order keep every product within 64 bits.
        _, grams = np.unique(grams[inside] * n_codes + tokens[ends], return_inverse=True)
        orders.append((grams, document_of_token[starts]))
    return orders


def _clipped_matches(grams: Integers, document_of_gram: Integers, n_documents: int) -> Integers:
    """Returns each document's matches with its leave-one-out references, shape (documents,)."""
    if len(grams) == 0:
        return np.zeros(n_documents, dtype=np.int64)
    pairs, counts = np.unique(grams * n_documents + document_of_gram, return_counts=True)
    gram_of_pair, document_of_pair = np.divmod(pairs, n_documents)
    first_pairs = np.flatnonzero(np.diff(gram_of_pair, prepend=-1))  # of each n-gram
    group = np.repeat(np.arange(len(first_pairs)), np.diff(first_pairs, append=len(pairs)))
    largest = np.maximum.reduceat(counts, first_pairs)
    maxima = np.flatnonzero(counts == largest[group])
    maxima = maxima[np.diff(group[maxima], prepend=-1) != 0]  # one document per n-gram
    without_maxima = counts.copy()
    without_maxima[maxima] = 0
    limit = largest[group]
    limit[maxima] = np.maximum.reduceat(without_maxima, first_pairs)
    clipped = np.minimum(counts, limit)
    return np.bincount(document_of_pair, clipped, n_documents).astype(np.int64)


def _closest_other_length(lengths: Integers) -> NDArray[np.float64]:
    """Returns the length of the other document closest in length to each, shape (documents,)."""
    distinct, position, counts = np.unique(lengths, return_inverse=True, return_counts=True)
    gaps = np.diff(distinct).astype(np.float64)
    below = np.concatenate([[np.inf], gaps])
    above = np.concatenate([gaps, [np.inf]])
    neighbour = np.where(below <= above, distinct - below, distinct + above)
    return np.where(counts > 1, distinct, neighbour)[position]
