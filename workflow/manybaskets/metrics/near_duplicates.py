"""Near-duplicate prompts, and intervals of rates that respect them.

Two prompts of one cluster are not two pieces of evidence: of AdvBench's 520 behaviours more than
half have a near-duplicate in the set.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

# Mean cosine inside a cluster: with it 301 of AdvBench's 520 prompts share one, 4 of StrongREJECT's
NEAR = 0.35


class Interval(NamedTuple):
    """An interval of a mean over `n` values in `clusters` clusters."""

    low: float
    high: float
    n: int
    clusters: int


def near_duplicates(texts: Sequence[str], near: float = NEAR) -> list[int]:
    """The cluster of each text, numbered in the order of their first members.

    Average linkage on the cosine of TF-IDF vectors (words and word pairs, sublinear): two clusters
    are one as long as their members' mean cosine is at least `near`. A text without a word that
    counts is a cluster of its own.
    """
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", stop_words="english"
    )
    try:
        vectors = vectorizer.fit_transform(texts).toarray()
    except ValueError:  # no text has a word that counts
        return list(range(len(texts)))
    places = np.flatnonzero(vectors.any(axis=1))
    labels = -1 - np.arange(len(texts))
    if len(places) > 1:
        linkage = AgglomerativeClustering(
            None, metric="cosine", linkage="average", distance_threshold=1 - near
        )
        labels[places] = linkage.fit_predict(vectors[places])
    first = {label: place for place, label in enumerate(dict.fromkeys(labels.tolist()))}
    return [first[label] for label in labels.tolist()]


def cluster_interval(
    values: Sequence[float], clusters: Sequence[int], alpha: float = 0.05
) -> Interval | None:
    """The 1 - alpha interval of the mean of `values` in [0, 1]; None with fewer than two clusters.

    The cluster-robust variance of a mean (Cochran 1977, ratio estimator, with the factor
    m / (m - 1)) gives a design effect against independent values; the interval is Wilson's at the
    effective number of values, so that it stays inside [0, 1] and is not empty at 0 and 1.
    """
    x, labels = np.asarray(values, dtype=float), np.asarray(clusters)
    _, places = np.unique(labels, return_inverse=True)
    m = int(places.max()) + 1 if len(x) else 0
    if m < 2:
        return None
    mean, n = float(x.mean()), len(x)
    sums = np.bincount(places, weights=x - mean, minlength=m)
    sizes = np.bincount(places, minlength=m)
    clustered = m / (m - 1) * float((sums**2).sum()) / n**2
    independent = mean * (1 - mean) / n
    if independent > 0:
        effective = min(n, max(1.0, n * independent / clustered)) if clustered > 0 else n
    else:  # all values agree: as if clusters of any size were one value each
        effective = n**2 / float((sizes**2).sum())
    z = NormalDist().inv_cdf(1 - alpha / 2)
    return Interval(*_wilson(mean, effective, z), n, m)


def _wilson(rate: float, n: float, z: float) -> tuple[float, float]:
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)
