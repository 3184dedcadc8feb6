"""Semantic diversity of texts, from sentence embeddings.

All functions take embeddings of shape (texts, dimensions), with one row of unit length per text.
Most values depend on the number of texts: compare values only at equal numbers.
"""

import math

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.registry import Metric, MetricOfEmbeddings

_LENGTH_TOLERANCE = 1e-3  # allows for half-precision embeddings
SAME = 1e-10  # largest squared distance between embeddings of the same text

Floats = NDArray[np.float64]


def vendi(embeddings: Floats, q: float) -> float:
    """Returns the Vendi score of order `q`: the effective number of distinct texts, from 1 to n.

    VS_q = (sum of lambda_i^q)^(1 / (1 - q)) over the eigenvalues of K / n, with the cosine kernel
    K; exp of their entropy at q = 1 (Friedman & Dieng 2022), 1 / the largest at q = inf (Pasarkar
    & Dieng 2023, for all orders). Orders below 1 emphasise rare texts, orders above 1 common ones;
    at 0 the score is the rank of K. It is at most the number of dimensions, and it grows with the
    number of texts n until n is far above the number of modes.

    Raises ValueError if there are no texts, or for an order below 0.
    """
    if not q >= 0:
        raise ValueError(f"The order q is {q}; it must be 0 or more.")
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
    # Relative to the largest share, since the power of a share may underflow
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
    """Returns the mean cosine distance over all pairs of rows, from 0 (equal) to n / (n - 1).

    It is computed from the length of the sum of the rows, in linear time. Its expectation does not
    depend on the number of texts. Raises ValueError for fewer than two texts.
    """
    rows = unit_rows(embeddings)
    n = len(rows)
    if n < 2:
        raise ValueError(f"The pairwise distance needs at least 2 texts; {n} given.")
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
    """Returns embedding-distinct-k: the number of clusters of texts with one meaning, from 1 to k.

    Two clusters merge while every text of one has a cosine similarity above `threshold` to every
    text of the other, the closest clusters first (complete linkage). It approximates distinct_k of
    NoveltyBench (Zhang et al. 2025), in which a classifier decides whether two texts are
    equivalent: calibrate the threshold on paraphrases. Memory grows with pairs of texts.

    Raises ValueError if there are no texts, or for a threshold outside [-1, 1).
    """
    if not -1 <= threshold < 1:
        raise ValueError(f"The threshold is {threshold}; it must be in [-1, 1).")
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
    """Returns the rows rescaled to unit length in double precision.

    Raises ValueError if there are no rows or if a row's length differs from 1.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(
            f"Embeddings must have the shape (texts, dimensions), with at least 1 text; "
            f"{rows.shape} given."
        )
    lengths = np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))
    if len(wrong) > 0:
        raise ValueError(
            f"Embeddings must have rows of length 1; {len(wrong)} of {len(rows)} rows differ: "
            f"row {wrong[0]} has length {lengths[wrong[0]]:.4g}."
        )
    unit: Floats = rows / lengths[:, None]
    return unit


def squared_distances(first: Floats, second: Floats) -> Floats:
    """Returns squared Euclidean distances of unit rows, 0 for equal texts, (first, second)."""
    squared = first @ second.T
    squared *= -2
    squared += 2
    squared[squared <= SAME] = 0
    return squared
