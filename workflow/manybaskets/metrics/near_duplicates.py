"""Clusters of near-duplicate prompts, and intervals of rates that account for the clusters.

Prompts of one cluster are not independent evidence: more than half of the 520 behaviours of
AdvBench have a near-duplicate in the set.
"""

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from manybaskets.metrics import tokenization

# Least mean cosine similarity of two clusters that merge: with it, 301 of the 520 prompts of
# AdvBench and 4 of StrongREJECT's share a cluster with another prompt.
THRESHOLD = 0.35


class Interval(NamedTuple):
    """A confidence interval of a mean over `n` values in `clusters` clusters."""

    low: float
    high: float
    n: int
    clusters: int


def near_duplicates(texts: Sequence[str], threshold: float = THRESHOLD) -> list[int]:
    """Returns the cluster of each text, numbered in the order of their first members.

    The clusters come from average linkage on the cosine similarity of TF-IDF vectors (words and
    word pairs, sublinear): two clusters merge while the mean similarity between their members is
    at least `threshold`. A text of stop words only is a cluster of its own. In scripts without
    spaces, pairs of neighbouring characters take the place of words: single ones are shared by
    unrelated texts.
    """
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        tokenizer=_terms,
        token_pattern=None,
        stop_words="english",
    )
    try:
        vectors = vectorizer.fit_transform(texts).toarray()
    except ValueError:  # every text consists of stop words
        return list(range(len(texts)))
    nonzero = np.flatnonzero(vectors.any(axis=1))
    labels = -1 - np.arange(len(texts))
    if len(nonzero) > 1:
        clustering = AgglomerativeClustering(
            None, metric="cosine", linkage="average", distance_threshold=1 - threshold
        )
        labels[nonzero] = clustering.fit_predict(vectors[nonzero])
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels.tolist()))}
    return [numbers[label] for label in labels.tolist()]


def _terms(text: str) -> list[str]:
    """The words of a text, and the pairs of neighbouring characters of scripts without spaces."""
    terms: list[str] = []
    for characters, group in itertools.groupby(tokenization.words(text), tokenization.unspaced):
        words = list(group)
        if characters and len(words) > 1:
            words = ["".join(pair) for pair in itertools.pairwise(words)]
        terms += words
    return terms


def cluster_interval(
    values: Sequence[float], clusters: Sequence[int], alpha: float = 0.05
) -> Interval | None:
    """Returns the 1 - `alpha` interval of the mean of `values`; None for fewer than two clusters.

    Values are in [0, 1]. The cluster-robust variance of a mean (Cochran 1977, ratio estimator,
    with the factor m / (m - 1)) gives a design effect relative to independent values. The interval
    is Wilson's at the effective number of values, so that it stays inside [0, 1] and has a width
    above 0 for means of 0 and 1.
    """
    x, labels = np.asarray(values, dtype=float), np.asarray(clusters)
    _, codes = np.unique(labels, return_inverse=True)
    m = int(codes.max()) + 1 if len(x) else 0
    if m < 2:
        return None
    mean, n = float(x.mean()), len(x)
    sums = np.bincount(codes, weights=x - mean, minlength=m)
    sizes = np.bincount(codes, minlength=m)
    clustered = m / (m - 1) * float((sums**2).sum()) / n**2
    independent = mean * (1 - mean) / n
    if independent > 0:
        effective = min(n, max(1.0, n * independent / clustered)) if clustered > 0 else n
    else:  # all values are 0 or all are 1: Kish's effective number of clusters
        effective = n**2 / float((sizes**2).sum())
    z = NormalDist().inv_cdf(1 - alpha / 2)
    return Interval(*_wilson(mean, effective, z), n, m)


def _wilson(rate: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval; scipy.stats.binomtest has it for whole numbers of trials only."""
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)
