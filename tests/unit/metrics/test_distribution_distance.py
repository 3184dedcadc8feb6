"""Distances of two sets of embeddings: compared with plain loops and published values."""

import math
from collections.abc import Callable
from itertools import permutations, product

import numpy as np
import pytest
from scipy.stats import kstest
from threadpoolctl import threadpool_limits

from manybaskets.metrics.distribution_distance import (
    Mmd,
    Prdc,
    mauve,
    mmd2,
    prdc,
    topic_map,
    topics,
)
from manybaskets.metrics.histogram_divergence import (
    frontier_integral,
)
from tests.support.embedding_rows import (
    Floats,
    about_topics,
    collapsed,
    generator,
    plain_mauve,
    shuffled,
    texts,
    unit,
)

# --- Maximum mean discrepancy ------------------------------------------------------------------


def plain_kernel(a: Floats, b: Floats) -> Callable[[Floats, Floats], float]:
    pooled = [*a, *b]
    n = len(pooled)
    median = np.median([np.linalg.norm(pooled[i] - pooled[j]) for i in range(n) for j in range(i)])
    return lambda x, y: math.exp(-(float(np.linalg.norm(x - y)) ** 2) / (2 * float(median) ** 2))


def plain_mmd2(a: Floats, b: Floats, k: Callable[[Floats, Floats], float]) -> float:
    n, m = len(a), len(b)
    return (
        sum(k(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
        + sum(k(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
        - 2 * sum(k(x, y) for x in a for y in b) / (n * m)
    )


def answers(
    n: int, generator: np.random.Generator, shift: float = 0.0, prompt: float = 1.0
) -> tuple[Floats, Floats]:
    """Two arms of answers to the same `n` prompts; `shift` moves the second."""
    prompts = prompt * generator.standard_normal((n, 8))
    a, b = (prompts + generator.standard_normal((n, 8)) for _ in range(2))
    b[:, 0] += shift
    return unit(a), unit(b)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 9), (12, 7)])
def test_mmd2_is_that_of_three_loops(n: int, m: int) -> None:
    a, b = texts(n, 4, 1), texts(m, 4, 2)
    expected = plain_mmd2(a, b, plain_kernel(a, b))
    assert mmd2(a, b, False, 5, generator()).value == pytest.approx(expected, abs=1e-12)


def test_paired_null_is_that_of_all_swaps() -> None:
    a, b = answers(6, generator(), shift=1.5)
    kernel = plain_kernel(a, b)
    null = []
    for swaps in product([True, False], repeat=6):
        swap = np.array(swaps)[:, None]
        null.append(plain_mmd2(np.where(swap, b, a), np.where(swap, a, b), kernel))
    measured = mmd2(a, b, True, 4000, generator())
    exact_p = np.mean([value >= measured.value - 1e-12 for value in null])
    assert 0.01 < exact_p < 0.5
    assert measured.p_value == pytest.approx(exact_p, abs=0.03)
    assert measured.null_mean == pytest.approx(np.mean(null), abs=1e-12)


def test_unpaired_null_is_that_of_all_permutations() -> None:
    a, b = texts(3, 4, 1), texts(4, 4, 2)
    kernel, pooled = plain_kernel(a, b), np.concatenate([a, b])
    null = []
    for order in permutations(range(7)):
        rows = pooled[list(order)]
        if list(order[:3]) == sorted(order[:3]) and list(order[3:]) == sorted(order[3:]):
            null.append(plain_mmd2(rows[:3], rows[3:], kernel))
    measured = mmd2(a, b, False, 4000, generator())
    exact_p = np.mean([value >= measured.value - 1e-12 for value in null])
    assert measured.p_value == pytest.approx(exact_p, abs=0.03)
    assert measured.null_mean == 0 == pytest.approx(np.mean(null), abs=1e-12)


def test_value_less_null_mean_is_the_statistic_without_the_pairs() -> None:
    a, b = answers(10, generator(), shift=1.0)
    k = plain_kernel(a, b)
    unbiased = sum(
        k(a[i], a[j]) + k(b[i], b[j]) - k(a[i], b[j]) - k(a[j], b[i])
        for i, j in permutations(range(10), 2)
    ) / (10 * 9)
    measured = mmd2(a, b, True, 5, generator())
    expected = unbiased * (1 - 1 / 20)
    assert measured.value - measured.null_mean == pytest.approx(expected, abs=1e-12)


def test_paired_arms_bias_the_statistic_and_its_null_alike() -> None:
    draws = np.random.default_rng(3)
    measured = [mmd2(*answers(40, draws), True, 99, draws) for _ in range(300)]
    values = np.array([m.value for m in measured])
    differences = values - np.array([m.null_mean for m in measured])
    assert values.mean() < -20 * values.std() / math.sqrt(300)
    assert abs(differences.mean()) < 3 * differences.std() / math.sqrt(300)
    p_values = [m.p_value for m in measured]
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.09


def test_unpaired_p_values_are_uniform_under_the_null() -> None:
    draws = np.random.default_rng(4)
    samples = [[unit(draws.standard_normal((n, 8))) for n in (30, 45)] for _ in range(300)]
    measured = [mmd2(a, b, False, 99, draws) for a, b in samples]
    values = np.array([m.value for m in measured])
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(300)
    assert kstest([m.p_value for m in measured], "uniform").pvalue > 0.01


def test_swaps_within_pairs_find_what_permutations_over_paired_arms_miss() -> None:
    a, b = answers(60, generator(), shift=0.5, prompt=3.0)
    assert mmd2(a, b, True, 999, generator()).p_value < 0.01
    assert mmd2(a, b, False, 999, generator()).p_value > 0.5


@pytest.mark.parametrize("paired", [True, False])
def test_mmd2_is_symmetric_and_does_not_depend_on_the_order_of_rows(paired: bool) -> None:
    a, b = answers(20, generator(), shift=1.0)
    measured = mmd2(a, b, paired, 50, generator())
    mirrored = mmd2(b, a, paired, 50, generator())
    reordered = mmd2(shuffled(a), shuffled(b), paired, 50, generator())
    for other in (mirrored, reordered):
        assert other.value == pytest.approx(measured.value, abs=1e-12)
        assert other.null_mean == pytest.approx(measured.null_mean, abs=1e-12)
    assert mmd2(a, b, paired, 50, generator()) == measured


def test_equal_pairs_have_a_p_value_of_one() -> None:
    rows = texts(20, 4)
    measured = mmd2(rows, rows, True, 50, generator())
    assert measured.p_value == 1
    assert measured.value == pytest.approx(measured.null_mean, abs=1e-12)
    assert mmd2(rows[[0] * 6], rows[[0] * 6], False, 20, generator()) == Mmd(0, 1, 0)


def test_the_kernel_keeps_its_width_where_most_texts_are_copies() -> None:
    a, b = collapsed(texts(20, 8, 1), 0.9), texts(20, 8, 2)
    b[:17] = a[0]
    distances = [np.linalg.norm(x - y) for x, y in product([*a, *b], repeat=2)]
    width = float(np.median([d for d in distances if d > 0]))
    expected = plain_mmd2(
        a, b, lambda x, y: math.exp(-(float(np.linalg.norm(x - y)) ** 2) / (2 * width**2))
    )
    assert mmd2(a, b, False, 20, generator()).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "m", "paired", "shuffles", "message"),
    [
        (1, 5, False, 9, "at least 2 texts in each set; 1 and 5 given"),
        (5, 4, True, 9, "equal numbers of texts; 5 and 4 given"),
        (5, 5, True, 0, "at least 1"),
    ],
)
def test_mmd2_refuses_what_it_cannot_test(
    n: int, m: int, paired: bool, shuffles: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mmd2(texts(n, 4), texts(m, 4), paired, shuffles, generator())


# --- Precision, recall, density, coverage ------------------------------------------------------


def plain_prdc(real: Floats, fake: Floats, k: int) -> Prdc:
    def radius(rows: Floats, i: int) -> float:
        return sorted(float(np.linalg.norm(rows[i] - row)) for row in np.delete(rows, i, axis=0))[
            k - 1
        ]

    def inside(point: Floats, rows: Floats, i: int) -> bool:
        return bool(np.linalg.norm(point - rows[i]) <= radius(rows, i) + 1e-9)

    n, m = len(real), len(fake)
    return Prdc(
        precision=sum(any(inside(y, real, i) for i in range(n)) for y in fake) / m,
        recall=sum(any(inside(x, fake, j) for j in range(m)) for x in real) / n,
        density=sum(inside(y, real, i) for y in fake for i in range(n)) / (k * m),
        coverage=sum(any(inside(y, real, i) for y in fake) for i in range(n)) / n,
    )


def close(a: Prdc, b: Prdc) -> bool:
    return vars(a) == pytest.approx(vars(b), abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize(("n", "m"), [(9, 20), (20, 9), (15, 15)])
def test_prdc_is_that_of_plain_loops(n: int, m: int, k: int) -> None:
    real, fake = about_topics(n, 4, 1), about_topics(m, 3, 2)
    assert close(prdc(real, fake, k), plain_prdc(real, fake, k))
    copies = np.concatenate([fake[:-3], real[:3]])
    assert close(prdc(real, copies, k), plain_prdc(real, copies, k))


# Golden values: prdc 0.2.
def test_prdc_is_that_of_the_published_package() -> None:
    real, fake = about_topics(300, 8, 1), about_topics(200, 5, 2)
    assert close(prdc(real, fake, 5), Prdc(0.99, 0.81666666666666667, 1.018, 0.70333333333333333))
    real, fake = texts(500, 12, 1), texts(400, 12, 2)
    assert close(prdc(real, fake, 3), Prdc(0.9575, 0.97, 0.96333333333333333, 0.846))


def test_prdc_of_the_same_texts_is_complete() -> None:
    rows = texts(30, 4)
    measured = prdc(rows, shuffled(rows), 5)
    assert (measured.precision, measured.recall, measured.coverage) == (1, 1, 1)
    copies = rows[[0] * 10]
    assert prdc(copies, copies[:7], 5) == Prdc(1, 1, 2, 1)


def test_prdc_of_one_source_has_the_coverage_of_the_null() -> None:
    measured = prdc(texts(1000, 6, 1), texts(1000, 6, 2), 3)
    assert measured.coverage == pytest.approx(1 - 2**-3, abs=0.03)
    assert measured.density == pytest.approx(1, abs=0.05)


def test_prdc_of_far_texts_is_zero() -> None:
    assert prdc(about_topics(50, 1, 1, 0.01), -about_topics(50, 1, 2, 0.01)) == Prdc(0, 0, 0, 0)


def test_a_lost_topic_costs_recall_and_not_precision() -> None:
    whole, part = about_topics(400, 8, 1, 0.1), about_topics(400, 4, 2, 0.1)
    assert prdc(whole, part).recall < 0.6 < 0.9 < prdc(whole, part).precision
    assert prdc(part, whole).precision < 0.6 < 0.9 < prdc(part, whole).recall


def test_recall_falls_with_topics_and_not_with_copies() -> None:
    human = about_topics(400, 8, 1, 0.1)
    fewer = [prdc(human, about_topics(400, n, 2, 0.1)) for n in (8, 6, 4, 2, 1)]
    for values in ([m.recall for m in fewer], [m.coverage for m in fewer]):
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.2
    rows = about_topics(400, 8, 2, 0.1)
    copied = prdc(human, collapsed(rows, 0.75))
    assert copied.recall > prdc(human, rows).recall
    assert copied.coverage < 0.75 * prdc(human, rows).coverage
    assert prdc(human, collapsed(rows, 1)).recall < 0.01


@pytest.mark.parametrize(("n", "m", "k"), [(5, 9, 5), (9, 5, 5), (9, 9, 0)])
def test_prdc_needs_more_than_k_texts_on_each_side(n: int, m: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}, with {n} real and {m} fake texts"):
        prdc(texts(n, 3), texts(m, 3), k)


# --- MAUVE of texts ------------------------------------------------------------------------------


def test_mauve_of_the_same_texts_is_one() -> None:
    rows = about_topics(200, 8, 1)
    same = mauve(rows, shuffled(rows), 0)
    assert same.mauve == pytest.approx(1, abs=1e-12)
    assert same.mauve_star == pytest.approx(1, abs=1e-12)
    assert same.frontier_integral == 0


def test_mauve_of_separate_topics_is_that_of_their_histograms() -> None:
    # 49 texts on the smaller side: 4 clusters, which are the 4 topics
    p, q = np.eye(4)[[0] * 29 + [1] * 20], np.eye(4)[[1] * 10 + [2] * 20 + [3] * 20]
    counts_p, counts_q = np.array([29, 20, 0, 0]), np.array([0, 10, 20, 20])
    measured = mauve(p, q, 0)
    assert measured.mauve == pytest.approx(plain_mauve(counts_p / 49, counts_q / 50, 5))
    star = plain_mauve((counts_p + 0.5) / 51, (counts_q + 0.5) / 52, 5)
    assert measured.mauve_star == pytest.approx(star)
    expected = frontier_integral(counts_p / 49, counts_q / 50)
    assert measured.frontier_integral == pytest.approx(expected)


def test_mauve_of_copies_has_no_more_clusters_than_texts() -> None:
    one, other = np.eye(3)[[0] * 40], np.eye(3)[[1] * 40]
    assert mauve(one, one, 0).mauve == 1
    assert mauve(one, other, 0).frontier_integral == 1
    assert mauve(np.eye(3)[:1], np.eye(3)[1:2], 0).frontier_integral == 1


def test_clusters_depend_on_the_seed_and_not_on_the_number_of_threads() -> None:
    p, q = about_topics(300, 8, 1), about_topics(300, 6, 2)
    first, mapped = mauve(p, q, 7), topics(topic_map(p, 20, 7), q)
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            assert mauve(p, q, 7) == first
            assert topics(topic_map(p, 20, 7), q) == mapped
    assert mauve(p, q, 8) != first


# --- Topics ------------------------------------------------------------------------------------


def test_topics_are_counted_in_the_clusters_of_the_reference() -> None:
    reference = topic_map(about_topics(400, 8, 1, 0.05), 8, 0)
    assert np.sort(reference.reference_shares) == pytest.approx([1 / 8] * 8, abs=0.05)
    one, half, whole = (topics(reference, about_topics(200, n, 2, 0.05)) for n in (1, 4, 8))
    assert (one.coverage, half.coverage, whole.coverage) == (1 / 8, 1 / 2, 1)
    assert one.entropy == 0
    assert half.entropy == pytest.approx(math.log(4) / math.log(8), abs=0.02)
    assert whole.entropy == pytest.approx(1, abs=0.02)
    assert one.divergence > half.divergence > 0.2 > 0.02 > whole.divergence


def test_topics_of_the_reference_itself_do_not_diverge() -> None:
    rows = about_topics(200, 8, 1)
    measured = topics(topic_map(rows, 12, 0), shuffled(rows))
    assert (measured.coverage, measured.divergence) == (1, 0)


@pytest.mark.parametrize("k", [1, 4])
def test_topics_need_as_many_different_texts(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}; .* at most 3, the number of distinct texts"):
        topic_map(np.eye(3)[[0, 1, 2] * 10], k, 0)
