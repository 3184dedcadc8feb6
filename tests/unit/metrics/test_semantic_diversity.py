"""Semantic diversity: every metric compared with a plain implementation and published values."""

import math

import numpy as np
import pytest

from manybaskets.metrics.semantic_diversity import distinct_count, pairwise_distance, vendi
from tests.support.embedding_rows import (
    Floats,
    about_topics,
    collapsed,
    texts,
)

# --- Vendi score -------------------------------------------------------------------------------


# Golden values: computed once from the definition, apart from this implementation.
@pytest.mark.parametrize(("q", "expected"), [(1, 15.452176), (2, 14.955740)])
def test_vendi_is_the_reference_value(q: float, expected: float) -> None:
    assert vendi(texts(200, 16), q) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (6, 6), (1, 3)])
@pytest.mark.parametrize("q", [0, 0.1, 0.5, 1, 1.5, 2, 10, 200, math.inf])
def test_vendi_is_that_of_the_eigenvalues_of_the_kernel(q: float, shape: tuple[int, int]) -> None:
    rows = texts(*shape)
    kernel = np.array([[a @ b for b in rows] for a in rows])
    eigenvalues = [x for x in np.linalg.eigvals(kernel / len(rows)).real if x > 1e-12]
    if q == 1:
        expected = math.exp(-sum(x * math.log(x) for x in eigenvalues))
    elif math.isinf(q):
        expected = 1 / max(eigenvalues)
    else:
        expected = sum(x**q for x in eigenvalues) ** (1 / (1 - q))
    assert vendi(rows, q) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("q", [0, 0.5, 1, 2, math.inf])
def test_vendi_counts_different_texts(q: float) -> None:
    assert vendi(np.eye(7), q) == pytest.approx(7)
    assert vendi(np.eye(7)[[2] * 30], q) == pytest.approx(1)
    assert vendi(np.eye(7)[[0, 1, 2] * 10], q) == pytest.approx(3)
    assert vendi(texts(1, 50)[[0] * 300], q) == pytest.approx(1)


def test_vendi_falls_with_its_order_and_is_continuous_in_it() -> None:
    rows = collapsed(texts(40, 10), 0.4)
    scores = [vendi(rows, q) for q in (0, 0.5, 1 - 1e-7, 1, 1 + 1e-7, 2, 5, 1e4, math.inf)]
    assert scores == sorted(scores, reverse=True)
    assert scores[2] == pytest.approx(scores[4], rel=1e-5)
    assert scores[-2] == pytest.approx(scores[-1], rel=1e-3)


def test_vendi_without_texts_or_of_a_negative_order_is_not_defined() -> None:
    with pytest.raises(ValueError, match="at least 1 text"):
        vendi(np.empty((0, 4)), 1)
    for order in (-1, math.nan):
        with pytest.raises(ValueError, match="0 or more"):
            vendi(np.eye(3), order)


# --- Mean pairwise distance --------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 25])
def test_pairwise_distance_is_the_mean_over_pairs(n: int) -> None:
    rows = texts(n, 5)
    pairs = [1 - rows[i] @ rows[j] for i in range(n) for j in range(n) if i != j]
    assert pairwise_distance(rows) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_pairwise_distance_of_copies_opposite_and_orthogonal_texts() -> None:
    assert pairwise_distance(texts(1, 8)[[0] * 20]) == pytest.approx(0, abs=1e-12)
    assert pairwise_distance(np.array([[1.0, 0], [-1, 0]])) == 2
    assert pairwise_distance(np.eye(6)) == 1


def test_pairwise_distance_does_not_depend_on_the_number_of_texts() -> None:
    population = about_topics(4000, 6, seed=1)
    small = [pairwise_distance(chunk) for chunk in np.split(population, 400)]
    error = float(np.std(small)) / math.sqrt(len(small))
    assert np.mean(small) == pytest.approx(pairwise_distance(population), abs=3 * error)


def test_pairwise_distance_of_one_text_is_not_defined() -> None:
    with pytest.raises(ValueError, match="at least 2 texts; 1 given"):
        pairwise_distance(np.eye(3)[:1])


# --- Embedding-distinct-k ----------------------------------------------------------------------


def plain_complete_linkage(rows: Floats, threshold: float) -> int:
    clusters = [[row] for row in rows]
    while len(clusters) > 1:
        similarity, i, j = max(
            (min(a @ b for a in clusters[i] for b in clusters[j]), i, j)
            for i in range(len(clusters))
            for j in range(i)
        )
        if similarity <= threshold:
            break
        clusters[j] += clusters.pop(i)
    return len(clusters)


@pytest.mark.parametrize("threshold", [-1, -0.5, 0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_distinct_count_is_that_of_plain_complete_linkage(threshold: float, seed: int) -> None:
    rows = texts(16, 4, seed)
    assert distinct_count(rows, threshold) == plain_complete_linkage(rows, threshold)


def test_distinct_count_counts_copies_once_and_needs_every_pair_to_be_similar() -> None:
    assert distinct_count(np.eye(5)[[0, 0, 3, 3, 3, 1]], 0.99) == 3
    assert distinct_count(np.eye(5), 0.5) == 5
    assert distinct_count(np.eye(5)[:1], 0.5) == 1
    angles = np.radians([0, 40, 80])  # neighbours are similar, the ends are not
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert distinct_count(chain, 0.7) == 2
    assert distinct_count(chain, 0.1) == 1


def test_distinct_count_merges_only_above_the_threshold() -> None:
    rows = np.array([[1.0, 0], [0, 1]])
    assert distinct_count(rows, 0) == 2
    assert distinct_count(rows, -0.01) == 1


@pytest.mark.parametrize("threshold", [1, 1.5, -1.1, math.nan])
def test_distinct_count_refuses_a_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"in \[-1, 1\)"):
        distinct_count(np.eye(3), threshold)
