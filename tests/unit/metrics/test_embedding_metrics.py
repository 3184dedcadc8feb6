"""Properties of all metrics of embeddings: order, precision, and response to copies of a text."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from manybaskets.metrics.distribution_distance import (
    mauve,
    mmd2,
    prdc,
    topic_map,
    topics,
)
from manybaskets.metrics.semantic_diversity import distinct_count, pairwise_distance, vendi
from tests.support.embedding_rows import (
    Floats,
    about_topics,
    collapsed,
    generator,
    shuffled,
)

SHARES = (0.01, 0.25, 0.5, 0.75, 1.0)

HUMAN, MODEL = about_topics(200, 8, 1), about_topics(200, 8, 2)
FALLING: dict[str, Callable[[Floats], float]] = {
    "vendi_1": lambda rows: vendi(rows, 1),
    "vendi_2": lambda rows: vendi(rows, 2),
    "distance": pairwise_distance,
    "distinct": lambda rows: distinct_count(rows, 0.5),
    "coverage": lambda rows: prdc(HUMAN, rows).coverage,
    "mauve": lambda rows: mauve(HUMAN, rows, 0).mauve,
    "mauve_star": lambda rows: mauve(HUMAN, rows, 0).mauve_star,
    "topic_coverage": lambda rows: topics(topic_map(HUMAN, 16, 0), rows).coverage,
    "topic_entropy": lambda rows: topics(topic_map(HUMAN, 16, 0), rows).entropy,
}
RISING: dict[str, Callable[[Floats], float]] = {
    "mmd": lambda rows: mmd2(HUMAN, rows, False, 1, generator()).value,
    "frontier": lambda rows: mauve(HUMAN, rows, 0).frontier_integral,
    "topic_divergence": lambda rows: topics(topic_map(HUMAN, 16, 0), rows).divergence,
}
SMOOTH = [*sorted(FALLING.keys() - {"mauve", "mauve_star"}), "mmd", "topic_divergence"]


@pytest.mark.parametrize("metric", sorted(FALLING))
def test_variety_falls_with_the_share_of_texts_replaced_by_one(metric: str) -> None:
    values = [FALLING[metric](collapsed(MODEL, share)) for share in SHARES]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.5 * values[0]


@pytest.mark.parametrize("metric", sorted(RISING))
def test_distance_to_human_text_rises_with_the_share_of_texts_replaced_by_one(metric: str) -> None:
    values = [RISING[metric](collapsed(MODEL, share)) for share in SHARES]
    assert values == sorted(values)
    assert values[-1] > 5 * abs(values[0])


@pytest.mark.parametrize("metric", SMOOTH)
def test_the_order_of_texts_does_not_matter(metric: str) -> None:
    of = (FALLING | RISING)[metric]
    assert of(shuffled(MODEL)) == pytest.approx(of(MODEL), abs=1e-9)


@pytest.mark.parametrize("metric", sorted(FALLING | RISING))
@pytest.mark.parametrize("wrong", [2 * MODEL, np.full((9, 16), math.nan), np.zeros((9, 16))])
def test_rows_that_are_not_of_unit_length_are_refused(metric: str, wrong: Floats) -> None:
    with pytest.raises(ValueError, match="rows of length 1"):
        (FALLING | RISING)[metric](wrong)


@pytest.mark.parametrize("metric", sorted(FALLING | RISING))
def test_single_precision_is_enough(metric: str) -> None:
    of = (FALLING | RISING)[metric]
    single = MODEL.astype(np.float32).astype(np.float64)
    assert of(single) == pytest.approx(of(MODEL), abs=1e-5)


@pytest.mark.parametrize("metric", sorted(FALLING | RISING))
def test_lengths_that_a_model_rounded_do_not_matter(metric: str) -> None:
    of = (FALLING | RISING)[metric]
    assert of(0.9995 * MODEL) == pytest.approx(of(MODEL), abs=1e-9)
