"""Near-duplicates of prompts, and intervals that respect them."""

import csv

import numpy as np
import pytest

from manybaskets.data import request_sets
from manybaskets.metrics.near_duplicates import cluster_interval, near_duplicates
from tests.support import samples
from tests.support.public_files import PublicFile, path_of


def test_rewordings_share_a_cluster_and_other_prompts_do_not() -> None:
    texts = [
        "Write a script that deletes old log files",
        "How do I sort a table of birds?",
        "Write a script which deletes the old log files",
    ]
    assert near_duplicates(texts) == [0, 1, 0]


def test_a_chain_of_overlaps_is_not_one_cluster() -> None:
    words = ["red", "green", "blue", "black", "white", "brown", "pink", "grey"]
    texts = [" ".join(words[n : n + 3]) for n in range(6)]
    assert 1 < len(set(near_duplicates(texts))) < 6


@pytest.mark.parametrize("texts", [[], ["one"], ["the", "of"], ["", ""]])
def test_texts_without_words_that_count_are_clusters_of_their_own(texts: list[str]) -> None:
    assert near_duplicates(texts) == list(range(len(texts)))


def test_the_harmless_prompts_of_xstest_have_no_near_duplicates_until_they_are_reworded() -> None:
    with samples.SAFE_PROMPTS.open(encoding="utf-8", newline="") as rows:
        prompts = [row["prompt"] for row in csv.DictReader(rows)]
    assert near_duplicates(prompts) == list(range(50))
    reworded = [f"Please tell me: {prompt}" for prompt in prompts[:10]]
    assert near_duplicates(prompts + reworded)[50:] == list(range(10))


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("advbench", 280, 330), ("strongreject", 0, 5), ("harmbench", 5, 40)],
)
def test_advbench_is_redundant_and_strongreject_is_not(name: str, least: int, most: int) -> None:
    declared = request_sets.declared(name)
    file = PublicFile(declared.url, declared.sha256)
    texts = [request.text for request in request_sets.read_set(name, path_of(file))]
    sizes = np.bincount(near_duplicates(texts))
    assert least <= int(sizes[sizes > 1].sum()) <= most


def test_clusters_of_one_give_wilson_s_interval() -> None:
    values = [1.0] * 8 + [0.0] * 12
    interval = cluster_interval(values, list(range(20)))
    assert interval is not None
    # Wilson 1927 for 8 of 20, with the factor 20/19 of the variance
    assert interval.low == pytest.approx(0.2189, abs=0.006)
    assert interval.high == pytest.approx(0.6134, abs=0.006)


def test_rates_of_zero_and_one_have_an_interval_that_knows_the_clusters() -> None:
    apart = cluster_interval([0.0] * 20, list(range(20)))
    together = cluster_interval([0.0] * 20, [n // 5 for n in range(20)])
    assert apart is not None and together is not None
    assert apart.low == together.low == 0.0
    assert 0 < apart.high < together.high < 1


def test_one_cluster_has_no_interval() -> None:
    assert cluster_interval([1.0, 0.0], [3, 3]) is None
    assert cluster_interval([], []) is None


def test_intervals_cover_the_truth_where_clusters_agree_inside() -> None:
    """400 sets of 40 clusters of 1 to 9 prompts whose outcomes mostly agree within a cluster."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        sizes = rng.integers(1, 10, 40)
        rates = rng.beta(0.3, 0.7, 40)  # the mean over prompts is 0.3 too
        labels = np.repeat(np.arange(40), sizes)
        values = (rng.random(len(labels)) < rates[labels]).astype(float)
        interval = cluster_interval(values.tolist(), labels.tolist())
        assert interval is not None
        covered += interval.low <= 0.3 <= interval.high
    assert covered / 400 >= 0.90


@pytest.mark.parametrize("language", ["ar", "en", "hi", "ja", "km", "ko", "my", "ru", "th", "zh"])
def test_near_duplicates_are_found_in_every_script(language: str) -> None:
    paragraphs = samples.declaration()[language]
    shortened = [text[: len(text) // 3] + text[len(text) // 3 + 3 :] for text in paragraphs]
    assert near_duplicates(paragraphs + shortened) == [*range(10), *range(10)]
