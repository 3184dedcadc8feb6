"""Meaning: variety of texts, and their distance to human text, from sentence embeddings.

All functions take embeddings of shape (texts, dimensions), one row of unit length per text, and
give the same result for the same input and seed. Most values depend on the number of texts, so
compare them at equal numbers, and read each distance beside its null.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from scipy.special import rel_entr
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

MAUVE_SCALE = 5.0  # c of Pillutla et al. 2021
MAUVE_WEIGHTS = 25
MAUVE_VARIANCE = 0.9  # kept by the principal components
MAUVE_MAX_CLUSTERS = 500
KMEANS_STARTS = 5

_LENGTH_TOLERANCE = 1e-3  # of half-precision embeddings
_SAME = 1e-10  # squared distance up to which two embeddings are of the same text
_TIE = 1e-12  # a shuffled statistic this close to the observed one equals it

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Mmd:
    """A squared maximum mean discrepancy with its permutation test.

    `value` minus `null_mean` is the distance to report.
    """

    value: float
    p_value: float
    null_mean: float


@dataclass(frozen=True)
class Prdc:
    """Precision, recall and coverage in [0, 1]; density from 0, about 1 under the null."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class Mauve:
    """MAUVE and MAUVE* in (0, 1], 1 for equal; frontier integral in [0, 1], 0 for equal."""

    mauve: float
    mauve_star: float
    frontier_integral: float


@dataclass(frozen=True, eq=False)
class TopicMap:
    """Topics of a reference: their centres, shape (topics, dimensions), and shares, (topics,)."""

    centres: Floats
    reference_shares: Floats


@dataclass(frozen=True)
class Topics:
    """How texts spread over the topics of a reference, all three in [0, 1].

    `coverage` is the share of topics with at least one text, `entropy` that of the histogram over
    the topics as a share of its maximum, and `divergence` the Jensen-Shannon divergence in bits
    between that histogram and that of the reference.
    """

    coverage: float
    entropy: float
    divergence: float


def vendi(embeddings: Floats, q: float) -> float:
    """Vendi score of order `q`: the effective number of different texts, from 1 to the texts.

    VS_q = (sum of lambda_i^q)^(1 / (1 - q)) over the eigenvalues of K / n, with the cosine kernel
    K; exp of their entropy at q = 1 (Friedman & Dieng 2022), 1 / the largest at q = inf (Pasarkar
    & Dieng 2023, for all orders). Below 1 it weights rare texts, above 1 common ones; at 0 it is
    the rank of K. It is at most the number of dimensions, and grows with the number of texts
    until that is far above the number of modes.

    Raises ValueError without texts, or for an order below 0.
    """
    if not q >= 0:
        raise ValueError(f"The order q is {q}; it is 0 or more.")
    rows = _unit_rows(embeddings)
    n, dimensions = rows.shape
    # E E' and E' E have the same non-zero eigenvalues
    gram = rows @ rows.T if n <= dimensions else rows.T @ rows
    eigenvalues = np.linalg.eigvalsh(gram / n)
    noise = float(eigenvalues.max()) * max(n, dimensions) * np.finfo(np.float64).eps
    shares = eigenvalues[eigenvalues > noise]
    shares = shares / shares.sum()
    if q == 1:
        return float(np.exp(-np.sum(shares * np.log(shares))))
    if math.isinf(q):
        return float(1 / shares.max())
    # Relative to the largest, since the power of a share may leave the range of floats
    powers = np.sum((shares / shares.max()) ** q)
    return float(np.exp((np.log(powers) + q * np.log(shares.max())) / (1 - q)))


def pairwise_distance(embeddings: Floats) -> float:
    """Mean cosine distance over all pairs of different rows, from 0 (all equal) to n / (n - 1).

    From the length of the sum of the rows, in linear time. Its expectation does not depend on the
    number of texts. Raises ValueError for fewer than two texts.
    """
    rows = _unit_rows(embeddings)
    n = len(rows)
    if n < 2:
        raise ValueError(f"A distance between texts needs at least 2 of them; {n} given.")
    total = rows.sum(axis=0)
    return max(0.0, float(1 - (total @ total - n) / (n * (n - 1))))


def distinct_count(embeddings: Floats, threshold: float) -> int:
    """Embedding-distinct-k: the number of clusters of texts with the same meaning, from 1 to k.

    Two clusters merge while every text of the one has a cosine similarity above `threshold` to
    every text of the other, the closest clusters first (complete linkage). A stand-in for
    distinct_k of NoveltyBench (Zhang et al. 2025), which asks a classifier whether two texts are
    equivalent: calibrate the threshold on paraphrases. Memory grows with pairs of texts.

    Raises ValueError without texts, or for a threshold no pair could be above.
    """
    if not -1 <= threshold < 1:
        raise ValueError(f"The threshold is {threshold}; a cosine similarity is in [-1, 1).")
    rows = _unit_rows(embeddings)
    if len(rows) == 1:
        return 1
    distances = squareform(_squared_distances(rows, rows) / 2, checks=False)
    heights = linkage(distances, method="complete")[:, 2]
    return 1 + int(np.count_nonzero(heights >= 1 - threshold))


def mmd2(
    a: Floats, b: Floats, paired: bool, permutations: int, generator: np.random.Generator
) -> Mmd:
    """Squared maximum mean discrepancy of two sets of texts, with a permutation test.

    MMD^2_u, Lemma 6 of Gretton et al. 2012, with the kernel exp(-d^2 / (2 s^2)), d the
    Euclidean distance and s the median of d over all pairs of different rows of both sets
    together; where that is 0, over the pairs that differ. The p-value is (1 + the shuffles with
    at least the observed value) / (1 + `permutations`), one-sided: small means different.

    Unpaired, the null permutes the rows over both sets, and its mean is 0.

    `paired`, row i of `a` and of `b` answer the same prompt, and the null swaps the two with
    probability 1/2 in each pair. MMD^2_u is then biased below 0, since the two rows of a pair are
    closer than independent ones; the null has the same bias. `null_mean` is its exact mean over
    all swaps. `value` minus `null_mean` is the statistic of Lemma 6 that leaves out the pairs,
    which is unbiased, times 1 - 1 / (2 n); both have the same p-value.

    Memory grows with the square of the number of rows. Raises ValueError for fewer than two rows
    on a side, for pairs of unequal number, and without permutations.
    """
    first, second = _unit_rows(a), _unit_rows(b)
    n, m = len(first), len(second)
    if min(n, m) < 2:
        raise ValueError(f"MMD needs at least 2 texts on each side; {n} and {m} given.")
    if paired and n != m:
        raise ValueError(f"Paired texts come in equal number; {n} and {m} given.")
    if permutations < 1:
        raise ValueError(f"permutations is {permutations}; the test needs at least 1.")
    kernel = _median_kernel(np.concatenate([first, second]))
    observed = np.repeat([1.0, 0.0], [n, m])
    if paired:
        kept = generator.integers(0, 2, (permutations, n)).astype(np.float64)
        shuffled = np.hstack([kept, 1 - kept])
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


def prdc(real: Floats, fake: Floats, k: int = 5) -> Prdc:
    """Precision, recall, density and coverage of `fake` against `real`, by nearest neighbours.

    The ball of a text reaches to its k-th nearest other text of its own set, border included.
    Precision is the share of fakes inside a ball of a real, recall the share of reals inside a
    ball of a fake (Kynkäänniemi et al. 2019); density the number of balls of reals a fake is
    inside, mean over fakes, divided by k, and coverage the share of reals with a fake inside
    their own ball (Naeem et al. 2020). For equally many texts from one source coverage is about
    1 - 2^-k, not 1.

    Recall shows lost topics, but rises where texts become copies of one, since the balls of the
    others grow; coverage falls with both.

    With the border, copies of a text are inside each other's balls. Memory grows with the square
    of the number of texts. Raises ValueError unless each side has more than `k` texts.
    """
    reals, fakes = _unit_rows(real), _unit_rows(fake)
    n, m = len(reals), len(fakes)
    if not 1 <= k < min(n, m):
        raise ValueError(
            f"k is {k}, with {n} real and {m} fake texts; it is 1 or more, and each side has more "
            "texts than k."
        )
    real_radii, fake_radii = _squared_radii(reals, k), _squared_radii(fakes, k)
    squared = _squared_distances(reals, fakes)
    in_real = squared <= real_radii[:, None] + _SAME
    in_fake = squared <= fake_radii[None, :] + _SAME
    return Prdc(
        precision=float(in_real.any(axis=0).mean()),
        recall=float(in_fake.any(axis=1).mean()),
        density=float(in_real.sum() / (k * m)),
        coverage=float(in_real.any(axis=1).mean()),
    )


def mauve(p_features: Floats, q_features: Floats, seed: int) -> Mauve:
    """MAUVE of two sets of texts (Pillutla et al. 2021), MAUVE* and the frontier integral.

    The features of both sets together, at unit length, are projected on the principal components
    with 90 % of their variance and put into k clusters by k-means; the three values compare the
    two histograms over the clusters. k is a tenth of the smaller set, at least 2 and at most 500.
    MAUVE* adds 1/2 to every count (Krichevsky & Trofimov, in Pillutla et al. 2023), so that no
    cluster is empty on either side.

    The published numbers are with features of GPT-2 large and thousands of texts a side: with
    other features it is another metric, and with fewer texts it is larger and noisy. Compare
    values of the same features and numbers of texts only. Raises ValueError without texts.
    """
    p_rows, q_rows = _unit_rows(p_features), _unit_rows(q_features)
    n = len(p_rows)
    k = min(max(2, min(n, len(q_rows)) // 10), MAUVE_MAX_CLUSTERS)
    labels = _clusters(np.concatenate([p_rows, q_rows]), k, seed)
    p_counts = np.bincount(labels[:n], minlength=k)
    q_counts = np.bincount(labels[n:], minlength=k)
    p, q = _shares(p_counts), _shares(q_counts)
    starred = mauve_of_histograms(_shares(p_counts + 0.5), _shares(q_counts + 0.5))
    return Mauve(mauve_of_histograms(p, q), starred, frontier_integral(p, q))


def mauve_of_histograms(p: Floats, q: Floats, c: float = MAUVE_SCALE) -> float:
    """Area under the divergence curve of two histograms, both (bins,), above 0 up to 1 (equal).

    The curve is (exp(-c KL(q|r)), exp(-c KL(p|r))) for the mixtures r = w p + (1 - w) q, with
    KL in nats and 25 equidistant w from 0 to 1, continued to (1, 0) and (0, 1); the area is that
    of the trapezoids (Pillutla et al. 2021). Raises ValueError for anything but two histograms.
    """
    _require_histograms(p, q)
    if not c > 0:
        raise ValueError(f"The scale c is {c}; it is above 0.")
    weights = np.linspace(0, 1, MAUVE_WEIGHTS)[:, None]
    mixtures = weights * p + (1 - weights) * q
    # In the order of w, x falls and y rises: there is nothing to sort, hence no tie to break.
    x = np.exp(-c * rel_entr(q, mixtures).sum(axis=1))
    y = np.exp(-c * rel_entr(p, mixtures).sum(axis=1))
    x, y = np.concatenate([[1], x, [0]]), np.concatenate([[0], y, [1]])
    return float(min(1.0, np.trapezoid(y[::-1], x[::-1])))


def frontier_integral(p: Floats, q: Floats) -> float:
    """Frontier integral of two histograms, both (bins,): 0 for equal, 1 for disjoint ones.

    Twice the integral over w in [0, 1] of w KL(p|r) + (1 - w) KL(q|r), r = w p + (1 - w) q, in
    nats (Liu et al. 2021), in closed form: the sum over the bins of
    (p + q) / 2 - p q / (p - q) ln(p / q). Raises ValueError for anything but two histograms.
    """
    _require_histograms(p, q)
    mean = (p + q) / 2
    contrast = np.abs(p - q) / np.where(mean > 0, 2 * mean, 1)
    # ln(p / q) is 2 atanh(contrast), which cancels where the contrast is near 0
    ordinary = (contrast > 1e-4) & (contrast < 1)
    t = np.where(ordinary, contrast, 0.5)
    share = np.where(ordinary, 1 - (1 - t**2) * np.arctanh(t) / t, 2 / 3 * contrast**2)
    share = np.where(contrast == 1, 1, share)
    return float(np.sum(mean * share))


def js_divergence(p: Floats, q: Floats) -> float:
    """Jensen-Shannon divergence in bits of two histograms, both (bins,): 0 equal, 1 disjoint.

    Between two samples of one source it is above 0, the more so the fewer they are. Raises
    ValueError for anything but two histograms.
    """
    _require_histograms(p, q)
    mean = (p + q) / 2
    nats = (rel_entr(p, mean).sum() + rel_entr(q, mean).sum()) / 2
    return max(0.0, float(nats / math.log(2)))


def topic_map(reference: Floats, k: int, seed: int) -> TopicMap:
    """The `k` topics of the reference texts, which are human: clusters by k-means.

    Raises ValueError for fewer than 2 topics or fewer different texts than topics.
    """
    rows = _unit_rows(reference)
    different = _n_different(rows)
    if not 2 <= k <= different:
        raise ValueError(
            f"k is {k}; a map has 2 topics or more, and no more than the {different} different "
            "texts of the reference."
        )
    centres = _kmeans(rows, k, seed)[0]
    return TopicMap(centres, _topic_shares(centres, rows))


def topics(reference: TopicMap, embeddings: Floats) -> Topics:
    """How the texts spread over the topics of the reference; each belongs to the nearest centre.

    All three values move with the number of texts: read them beside those of as many human texts
    that are not part of the reference. Raises ValueError without texts.
    """
    shares = _topic_shares(reference.centres, _unit_rows(embeddings))
    hit = shares[shares > 0]
    entropy = -float(np.sum(hit * np.log(hit))) / math.log(len(shares))
    return Topics(
        coverage=len(hit) / len(shares),
        entropy=max(0.0, entropy),
        divergence=js_divergence(shares, reference.reference_shares),
    )


def _unit_rows(embeddings: Floats) -> Floats:
    """The rows at unit length to double precision, which those of a model are not."""
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(
            f"Embeddings have the shape (texts, dimensions), with at least 1 text; {rows.shape} "
            "given."
        )
    lengths = np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))
    if len(wrong) > 0:
        raise ValueError(
            f"Embeddings have rows of length 1; {len(wrong)} of {len(rows)} have not, row "
            f"{wrong[0]} has length {lengths[wrong[0]]:.4g}."
        )
    unit: Floats = rows / lengths[:, None]
    return unit


def _squared_distances(first: Floats, second: Floats) -> Floats:
    """Squared Euclidean distances of unit rows, 0 for the same text, shape (first, second)."""
    squared = first @ second.T
    squared *= -2
    squared += 2
    squared[squared <= _SAME] = 0
    return squared


def _squared_radii(rows: Floats, k: int) -> Floats:
    """The squared distance of each row to its k-th nearest other one, shape (rows,)."""
    squared = _squared_distances(rows, rows)
    squared.partition(k, axis=1)  # the nearest is the row itself
    return squared[:, k].copy()


def _median_kernel(rows: Floats) -> Floats:
    """Gaussian kernel with the median distance as its width, 0 on the diagonal, (rows, rows)."""
    squared = _squared_distances(rows, rows)
    distances = np.sqrt(squareform(squared, checks=False))
    median = float(np.median(distances))
    if median == 0 and np.any(distances > 0):
        median = float(np.median(distances[distances > 0]))
    squared /= -2 * (median or 1.0) ** 2
    kernel = np.exp(squared, out=squared)
    np.fill_diagonal(kernel, 0)
    return kernel


def _mmd2_of_labels(kernel: Floats, labels: Floats, n: int, m: int) -> Floats:
    """MMD^2_u for each row of `labels`, 1 for the rows of the first set, shape (labellings,)."""
    within_first = np.einsum("ij,ij->i", labels @ kernel, labels)
    from_first = labels @ kernel.sum(axis=1)
    across = from_first - within_first
    within_second = kernel.sum() - from_first - across
    values: Floats = (
        within_first / (n * (n - 1)) + within_second / (m * (m - 1)) - 2 * across / (n * m)
    )
    return values


def _clusters(rows: Floats, k: int, seed: int) -> Integers:
    """The cluster of each row by k-means on the principal components, shape (rows,)."""
    different = _n_different(rows)
    if different == 1:
        return np.zeros(len(rows), dtype=np.int64)
    with threadpool_limits(limits=1):
        components = PCA(MAUVE_VARIANCE, svd_solver="full").fit_transform(rows)
    return _kmeans(components, min(k, different), seed)[1]


def _kmeans(rows: Floats, k: int, seed: int) -> tuple[Floats, Integers]:
    """Centres, shape (k, dimensions), and the cluster of each row, shape (rows,)."""
    # One thread: sums in another order could move a text between clusters.
    with threadpool_limits(limits=1):
        fitted = KMeans(k, n_init=KMEANS_STARTS, random_state=seed).fit(rows)
    return fitted.cluster_centers_, fitted.labels_.astype(np.int64)


def _n_different(rows: Floats) -> int:
    return len(np.unique(np.round(rows, 5), axis=0))


def _topic_shares(centres: Floats, rows: Floats) -> Floats:
    squared = np.sum(centres**2, axis=1) - 2 * rows @ centres.T  # up to the same 1 in all
    return _shares(np.bincount(squared.argmin(axis=1), minlength=len(centres)))


def _shares(counts: NDArray[Any]) -> Floats:
    shares: Floats = counts / counts.sum()
    return shares


def _require_histograms(p: Floats, q: Floats) -> None:
    if p.ndim != 1 or p.shape != q.shape:
        raise ValueError(f"The histograms have the shapes {p.shape} and {q.shape}, not (bins,).")
    for histogram in (p, q):
        if not (np.all(histogram >= 0) and abs(float(histogram.sum()) - 1) < 1e-9):
            raise ValueError("A histogram has shares of 0 or more that sum to 1.")
