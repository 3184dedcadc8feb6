"""Distance of texts from human text, from sentence embeddings.

All functions take embeddings of shape (texts, dimensions), with one row of unit length per text,
and are deterministic given their input and seed. Most values depend on the number of texts:
compare values only at equal numbers, and each distance with its null value.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.histogram_divergence import (
    frontier_integral,
    js_divergence,
    mauve_of_histograms,
)
from manybaskets.metrics.registry import Metric
from manybaskets.metrics.semantic_diversity import SAME, Floats, squared_distances, unit_rows

MAUVE_VARIANCE = 0.9  # share of the variance in the principal components
MAUVE_MAX_CLUSTERS = 500
KMEANS_STARTS = 5

_TIE = 1e-12  # largest difference between a shuffled statistic and an equal observed one

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Mmd:
    """A squared maximum mean discrepancy with its permutation test.

    The distance to report is `value` - `null_mean`.
    """

    value: float
    p_value: float
    null_mean: float


def mmd2(
    a: Floats, b: Floats, paired: bool, permutations: int, generator: np.random.Generator
) -> Mmd:
    """Returns the squared maximum mean discrepancy of two sets of texts, with a permutation test.

    It is MMD^2_u, Lemma 6 of Gretton et al. 2012, with the kernel exp(-d^2 / (2 s^2)) of the
    Euclidean distance d. s is the median of d over all pairs of rows of both sets together; if
    that is 0, over the pairs that differ. The one-sided p-value is (1 + the number of shuffles
    with at least the observed value) / (1 + `permutations`).

    If not `paired`, the null permutes the rows over both sets, and its mean is 0.

    If `paired`, row i of `a` and row i of `b` answer the same prompt, and the null swaps the two
    with probability 1/2 in each pair. MMD^2_u is then biased below 0, since the two rows of a pair
    are closer than independent ones; the null has the same bias. `null_mean` is its exact mean
    over all swaps. `value` - `null_mean` is the unbiased statistic of Lemma 6, which excludes the
    pairs, times 1 - 1 / (2 n); both have the same p-value.

    Memory grows with the square of the number of rows. Raises ValueError for fewer than two rows
    in a set, for `paired` sets of different size, and for fewer than one permutation.
    """
    first, second = unit_rows(a), unit_rows(b)
    n, m = len(first), len(second)
    if min(n, m) < 2:
        raise ValueError(f"MMD needs at least 2 texts in each set; {n} and {m} given.")
    if paired and n != m:
        raise ValueError(f"Paired sets must have equal numbers of texts; {n} and {m} given.")
    if permutations < 1:
        raise ValueError(f"permutations is {permutations}; it must be at least 1.")
    kernel = _median_kernel(np.concatenate([first, second]))
    observed = np.repeat([1.0, 0.0], [n, m])
    if paired:
        unswapped = generator.integers(0, 2, (permutations, n)).astype(np.float64)
        shuffled = np.hstack([unswapped, 1 - unswapped])
    else:
        shuffled = generator.permuted(np.tile(observed, (permutations, 1)), axis=1)
    values = _mmd2_of_labels(kernel, np.vstack([observed, shuffled]), n, m)
    as_large = np.count_nonzero(values[1:] >= values[0] - _TIE)
    null_mean = 0.0
    if paired:
        within = float(np.trace(kernel[:n, n:]))
        between = float(kernel.sum()) - 2 * within
        null_mean = between / 2 / (n * (n - 1)) - 2 * (between / 4 + within) / n**2
    return Mmd(float(values[0]), float((as_large + 1) / (permutations + 1)), null_mean)


MMD2 = Metric(
    "mmd2",
    "distance of meaning (MMD²)",
    "Squared maximum mean discrepancy from the human responses to the same prompts (Gretton "
    "et al. 2012), minus the mean of its permutation null; 0 where they do not differ.",
    better="lower",
    unit="squared distance",
    reading="0: like human text",
)

MMD2_P = Metric(
    "mmd2_p",
    "p of MMD²",
    "The p-value of mmd2; permutations swap model and human within prompts.",
    better="neither",
    unit="probability",
)


@dataclass(frozen=True)
class Prdc:
    """Precision, recall and coverage in [0, 1]; density from 0, about 1 under the null."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Floats, fake: Floats, k: int = 5) -> Prdc:
    """Returns precision, recall, density and coverage of `fake` texts against `real` ones.

    The radius of a text's closed ball is the distance to its k-th nearest other text of its own
    set. Precision is the share of fake texts inside a ball of a real one, recall the share of real
    texts inside a ball of a fake one (Kynkäänniemi et al. 2019). Density is the number of real
    texts' balls around a fake text, averaged over the fake texts and divided by k; coverage is the
    share of real texts with a fake text inside their ball (Naeem et al. 2020). For equal numbers
    of texts from one source, coverage is about 1 - 2^-k, not 1.

    Recall falls with lost topics, but rises if fake texts become copies of one text, since the
    balls of the others grow; coverage falls in both cases.

    Since the balls are closed, copies of a text are inside each other's balls. Memory grows with
    the square of the number of texts. Raises ValueError unless each set has more than `k` texts.
    """
    reals, fakes = unit_rows(real), unit_rows(fake)
    n, m = len(reals), len(fakes)
    if not 1 <= k < min(n, m):
        raise ValueError(
            f"k is {k}, with {n} real and {m} fake texts; it must be at least 1 and below both "
            "numbers of texts."
        )
    real_radii, fake_radii = _squared_radii(reals, k), _squared_radii(fakes, k)
    squared = squared_distances(reals, fakes)
    in_real = squared <= real_radii[:, None] + SAME
    in_fake = squared <= fake_radii[None, :] + SAME
    return Prdc(
        precision=float(in_real.any(axis=0).mean()),
        recall=float(in_fake.any(axis=1).mean()),
        density=float(in_real.sum() / (k * m)),
        coverage=float(in_real.any(axis=1).mean()),
    )


PRECISION = Metric(
    "precision",
    "precision",
    "Share of responses near human ones (Kynkäänniemi et al. 2019; 5 neighbours), in samples "
    "of fixed size, from 0 to 1; low is text unlike any human text.",
    better="higher",
    unit="share",
)

RECALL = Metric(
    "recall",
    "recall",
    "Share of human responses near responses of the model (Kynkäänniemi et al. 2019), from 0 "
    "to 1; low where the model produces nothing like part of the human text.",
    better="higher",
    unit="share",
)

DENSITY = Metric(
    "density",
    "density",
    "How many human neighbourhoods a response lies in, relative to 5 (Naeem et al. 2020); "
    "about 1 for text of the same source.",
    better="nearest 1",
    unit="ratio",
)

COVERAGE = Metric(
    "coverage",
    "coverage",
    "Share of human responses with a response of the model in their neighbourhood (Naeem et "
    "al. 2020), from 0 to 1; about 0.97 for text of the same source.",
    better="higher",
    unit="share",
)


@dataclass(frozen=True)
class Mauve:
    """MAUVE and MAUVE* in (0, 1], 1 if equal; frontier integral in [0, 1], 0 if equal."""

    mauve: float
    mauve_star: float
    frontier_integral: float


def mauve(p_features: Floats, q_features: Floats, seed: int) -> Mauve:
    """Returns MAUVE of two sets of texts (Pillutla et al. 2021), MAUVE* and the frontier integral.

    The features of both sets together, at unit length, are projected onto the principal components
    with 90 % of their variance and grouped into k clusters by k-means; the three values compare
    the sets' histograms over the clusters. k is a tenth of the smaller set, at least 2 and at most
    500. MAUVE* adds 1/2 to every count (Krichevsky & Trofimov, in Pillutla et al. 2023), so that
    no count is 0.

    Published values are for features of GPT-2 large and thousands of texts per set. With other
    features MAUVE is a different metric, and with fewer texts it is larger and noisier. Compare
    values only for the same features and numbers of texts. Raises ValueError for an empty set.
    """
    p_rows, q_rows = unit_rows(p_features), unit_rows(q_features)
    n = len(p_rows)
    k = min(max(2, min(n, len(q_rows)) // 10), MAUVE_MAX_CLUSTERS)
    labels = _clusters(np.concatenate([p_rows, q_rows]), k, seed)
    p_counts = np.bincount(labels[:n], minlength=k)
    q_counts = np.bincount(labels[n:], minlength=k)
    p, q = _shares(p_counts), _shares(q_counts)
    starred = mauve_of_histograms(_shares(p_counts + 0.5), _shares(q_counts + 0.5))
    return Mauve(mauve_of_histograms(p, q), starred, frontier_integral(p, q))


MAUVE = Metric(
    "mauve",
    "MAUVE",
    "MAUVE (Pillutla et al. 2021) on these embeddings against human responses, from 0 to 1; "
    "higher is nearer to human text, biased upwards in small samples, for comparison only.",
    better="higher",
    unit="0 to 1",
)

MAUVE_STAR = Metric(
    "mauve_star",
    "MAUVE*",
    "MAUVE with Krichevsky-Trofimov smoothing (Pillutla et al. 2023).",
    better="higher",
    unit="0 to 1",
)

FRONTIER_INTEGRAL = Metric(
    "frontier_integral",
    "frontier integral",
    "Frontier integral of the same histograms (Pillutla et al. 2023), from 0 (equal) to 1.",
    better="lower",
    unit="0 to 1",
)


@dataclass(frozen=True, eq=False)
class TopicMap:
    """Topics of a reference: centres, (topics, dimensions), and shares of its texts, (topics,)."""

    centres: Floats
    reference_shares: Floats


@dataclass(frozen=True)
class Topics:
    """Distribution of texts over the topics of a reference; all three values are in [0, 1].

    `coverage` is the share of topics with at least one text, `entropy` the entropy of the
    histogram over the topics divided by its maximum, and `divergence` the Jensen-Shannon
    divergence in bits between that histogram and the reference's.
    """

    coverage: float
    entropy: float
    divergence: float


def topic_map(reference: Floats, k: int, seed: int) -> TopicMap:
    """Returns the `k` topics of the human reference texts, found by k-means.

    Raises ValueError for fewer than 2 topics or fewer distinct texts than topics.
    """
    rows = unit_rows(reference)
    distinct = _n_distinct(rows)
    if not 2 <= k <= distinct:
        raise ValueError(
            f"k is {k}; it must be at least 2 and at most {distinct}, the number of distinct "
            "texts of the reference."
        )
    centres = _kmeans(rows, k, seed)[0]
    return TopicMap(centres, _topic_shares(centres, rows))


def topics(reference: TopicMap, embeddings: Floats) -> Topics:
    """Returns the distribution of texts over the reference's topics, each at its nearest centre.

    All three values depend on the number of texts: compare them with those of as many human texts
    outside the reference. Raises ValueError if there are no texts.
    """
    shares = _topic_shares(reference.centres, unit_rows(embeddings))
    occupied = shares[shares > 0]
    entropy = -float(np.sum(occupied * np.log(occupied))) / math.log(len(shares))
    return Topics(
        coverage=len(occupied) / len(shares),
        entropy=max(0.0, entropy),
        divergence=js_divergence(shares, reference.reference_shares),
    )


TOPIC_COVERAGE = Metric(
    "topic_coverage",
    "topic coverage",
    "Share of the human responses' topics (k-means) that a sample of responses hits, from 0 "
    "to 1; lower is lost topics.",
    better="higher",
    unit="share",
)

TOPIC_ENTROPY = Metric(
    "topic_entropy",
    "topic entropy",
    "Entropy of a sample over the human responses' topics, as a share of its maximum; lower "
    "is text about fewer things.",
    better="higher",
    unit="share",
)

JS_TOPICS = Metric(
    "js_topics",
    "distance of topics (JS)",
    "Jensen-Shannon divergence in bits of the topics from those of half of the human "
    "responses, minus that of the other half; 0 where they do not differ.",
    better="lower",
    unit="bits",
)


def _squared_radii(rows: Floats, k: int) -> Floats:
    """Returns the squared distance of each row to its k-th nearest other row, shape (rows,)."""
    squared = squared_distances(rows, rows)
    squared.partition(k, axis=1)  # the nearest is the row itself
    return squared[:, k].copy()


def _median_kernel(rows: Floats) -> Floats:
    """Returns the Gaussian kernel of median width with a diagonal of 0, shape (rows, rows)."""
    from scipy.spatial.distance import squareform

    squared = squared_distances(rows, rows)
    distances = np.sqrt(squareform(squared, checks=False))
    median = float(np.median(distances))
    if median == 0 and np.any(distances > 0):
        median = float(np.median(distances[distances > 0]))
    squared /= -2 * (median or 1.0) ** 2
    kernel = np.exp(squared, out=squared)
    np.fill_diagonal(kernel, 0)
    return kernel


def _mmd2_of_labels(kernel: Floats, labels: Floats, n: int, m: int) -> Floats:
    """Returns MMD^2_u for each row of `labels`, shape (labellings,); a label of 1: first set."""
    within_first = np.einsum("ij,ij->i", labels @ kernel, labels)
    from_first = labels @ kernel.sum(axis=1)
    across = from_first - within_first
    within_second = kernel.sum() - from_first - across
    values: Floats = (
        within_first / (n * (n - 1)) + within_second / (m * (m - 1)) - 2 * across / (n * m)
    )
    return values


def _clusters(rows: Floats, k: int, seed: int) -> Integers:
    """Returns the cluster of each row by k-means on the principal components, shape (rows,)."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    distinct = _n_distinct(rows)
    if distinct == 1:
        return np.zeros(len(rows), dtype=np.int64)
    with threadpool_limits(limits=1):
        components = PCA(MAUVE_VARIANCE, svd_solver="full").fit_transform(rows)
    return _kmeans(components, min(k, distinct), seed)[1]


def _kmeans(rows: Floats, k: int, seed: int) -> tuple[Floats, Integers]:
    """Returns the centres, shape (k, dimensions), and each row's cluster, shape (rows,)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # One thread: a different order of summation could assign a text to another cluster.
    with threadpool_limits(limits=1):
        fitted = KMeans(k, n_init=KMEANS_STARTS, random_state=seed).fit(rows)
    return fitted.cluster_centers_, fitted.labels_.astype(np.int64)


def _n_distinct(rows: Floats) -> int:
    return len(np.unique(np.round(rows, 5), axis=0))


def _topic_shares(centres: Floats, rows: Floats) -> Floats:
    squared = np.sum(centres**2, axis=1) - 2 * rows @ centres.T  # + 1, the same for all
    return _shares(np.bincount(squared.argmin(axis=1), minlength=len(centres)))


def _shares(counts: NDArray[Any]) -> Floats:
    shares: Floats = counts / counts.sum()
    return shares
