"""Meaning: how varied texts are, from sentence embeddings.

All functions take embeddings of shape (texts, dimensions), one row of unit length per text. Most
values depend on the number of texts, so compare them at equal numbers.
"""

import math

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.registry import Metric, MetricOfEmbeddings

_LENGTH_TOLERANCE = 1e-3  # of half-precision embeddings
SAME = 1e-10  # squared distance up to which two embeddings are of the same text

Floats = NDArray[np.float64]


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
    rows = unit_rows(embeddings)
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


VENDI_1 = MetricOfEmbeddings(
    "vendi_1",
    "Vendi score",
    "Effective number of different responses across prompts in a sample of fixed size: Vendi "
    "score of order 1; much of it is the variety of the prompts.",
    better="higher",
    unit="responses",
    compute=lambda rows: vendi(rows, 1),
)

VENDI_2 = MetricOfEmbeddings(
    "vendi_2",
    "Vendi score, order 2",
    "As vendi_1 of order 2, which weights what is frequent.",
    better="higher",
    unit="responses",
    compute=lambda rows: vendi(rows, 2),
)

PROMPT_VENDI_1 = Metric(
    "prompt_vendi_1",
    "variety within a prompt",
    "Effective number of different responses to the same prompt: Vendi score (Friedman & "
    "Dieng 2022) of order 1, mean over prompts, from 1 to the number of samples.",
    better="higher",
    unit="responses",
    reading="higher: more varied",
)

PROMPT_VENDI_2 = Metric(
    "prompt_vendi_2",
    "variety within a prompt, order 2",
    "As prompt_vendi_1 of order 2, which weights what is frequent.",
    better="higher",
    unit="responses",
)


def pairwise_distance(embeddings: Floats) -> float:
    """Mean cosine distance over all pairs of different rows, from 0 (all equal) to n / (n - 1).

    From the length of the sum of the rows, in linear time. Its expectation does not depend on the
    number of texts. Raises ValueError for fewer than two texts.
    """
    rows = unit_rows(embeddings)
    n = len(rows)
    if n < 2:
        raise ValueError(f"A distance between texts needs at least 2 of them; {n} given.")
    total = rows.sum(axis=0)
    return max(0.0, float(1 - (total @ total - n) / (n * (n - 1))))


PAIRWISE_DISTANCE = MetricOfEmbeddings(
    "pairwise_distance",
    "pairwise distance",
    "Mean cosine distance between responses across prompts; much of it is the variety of the "
    "prompts.",
    better="higher",
    unit="cosine distance",
    compute=pairwise_distance,
)

PROMPT_DISTANCE = Metric(
    "prompt_distance",
    "distance within a prompt",
    "Mean cosine distance between responses to the same prompt, mean over prompts; higher is "
    "more varied.",
    better="higher",
    unit="cosine distance",
)


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
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    rows = unit_rows(embeddings)
    if len(rows) == 1:
        return 1
    distances = squareform(squared_distances(rows, rows) / 2, checks=False)
    heights = linkage(distances, method="complete")[:, 2]
    return 1 + int(np.count_nonzero(heights >= 1 - threshold))


PROMPT_DISTINCT = Metric(
    "prompt_distinct",
    "different meanings within a prompt",
    "Share of responses to the same prompt that differ in meaning: clusters (complete "
    "linkage, cosine similarity) over samples, mean over prompts, up to 1; higher is more "
    "varied.",
    better="higher",
    unit="share",
)


def unit_rows(embeddings: Floats) -> Floats:
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


def squared_distances(first: Floats, second: Floats) -> Floats:
    """Squared Euclidean distances of unit rows, 0 for the same text, shape (first, second)."""
    squared = first @ second.T
    squared *= -2
    squared += 2
    squared[squared <= SAME] = 0
    return squared
