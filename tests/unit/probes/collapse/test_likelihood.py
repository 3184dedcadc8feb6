"""Likelihood metrics: bins, gaps and outliers against values worked by hand."""

import math
from typing import Any

import numpy as np
import pytest

from manybaskets.metrics.measurement import Measurement
from manybaskets.metrics.registry import metrics
from manybaskets.probes.collapse import likelihood


def part(nats: list[float], tokens: list[int], **changed: Any) -> dict[str, Any]:
    n = len(nats)
    return {
        "ids": [f"r{i}" for i in range(n)],
        "nats": nats,
        "closing": [0.5] * n,
        "closing_tokens": [1] * n,
        "tokens": tokens,
        "bytes": [4 * t for t in tokens],
        "excluded": {},
        "nats_per_token": sum(nats) / sum(tokens) if n else None,
        "bits_per_byte": sum(nats) / (math.log(2) * 4 * sum(tokens)) if n else None,
        "train_counts": [[1, 4], [10, 1], [4, 2]],
    } | changed


def table(**columns: list[float]) -> dict[str, Any]:
    n = len(next(iter(columns.values())))
    names = ("row", "position", "token", "train_count", "log_prob", "target_log_prob", "rank")
    names += ("entropy", "tail_mass", "nucleus", "kl_from_target", "kl_to_target")
    return {name: np.array(columns.get(name, [1] * n), dtype=np.float64) for name in names}


def measure(
    rows: dict[str, Any], human: dict[str, Any], own: dict[str, Any] | None = None, bins: int = 2
) -> dict[tuple[str, str], Measurement]:
    found, _ = likelihood.measure(rows, human, own or human, bins)
    by_name = {(m.metric, m.item_set): m for m in found}
    assert len(by_name) == len(found)
    assert {m.metric for m in found} <= set(metrics())
    return by_name


def test_bins_hold_equal_shares_of_the_training_text() -> None:
    # 10 of one type, 4 and 4 of two, 1 each of four: 22 tokens
    counts = np.array([10, 4, 1, 0, 10])
    train = [[1, 4], [4, 2], [10, 1]]
    assert likelihood.frequency_bins(counts, train, 2).tolist() == [1, 2, 2, 0, 1]
    assert likelihood.frequency_bins(counts, train, 5).tolist() == [2, 4, 5, 0, 2]


def test_types_of_equal_frequency_are_in_one_bin_whatever_their_order() -> None:
    counts = np.arange(1, 60)
    train = [[c, 3] for c in range(1, 60)]
    found = likelihood.frequency_bins(counts, train, 4)
    assert (likelihood.frequency_bins(counts, train[::-1], 4) == found).all()
    mass = [sum(3 * c for c, b in zip(counts, found, strict=True) if b == k) for k in (1, 2, 3, 4)]
    assert max(mass) - min(mass) <= 3 * 59 * 2
    assert (np.diff(found) <= 0).all()


def test_no_training_text_leaves_all_tokens_unseen() -> None:
    assert likelihood.frequency_bins(np.array([0, 3]), [], 5).tolist() == [0, 0]


def test_gaps_are_held_against_the_target_token_by_token() -> None:
    rows = table(
        train_count=[10, 10, 1, 0],
        log_prob=[-1.0, -2.0, -6.0, -9.0],
        target_log_prob=[-1.5, -2.0, -5.0, -7.0],
    )
    found = measure(rows, part([18.0], [4]))
    assert found["nll_gap", "test"].value == pytest.approx((-0.5 + 0 + 1 + 2) / 4)
    assert found["nll", "test/frequency 1 of 2"].value == pytest.approx(1.5)
    assert found["nll_gap", "test/frequency 2 of 2"].value == pytest.approx(1)
    assert found["nll", "test/unseen"].value == pytest.approx(9)
    assert found["tail_gap", "test"].value == pytest.approx((1 + 2) / 2 - (-0.5 + 0) / 2)
    assert found["tail_gap", "test"].n == 2


def test_a_bin_without_tokens_has_no_value_but_a_reason() -> None:
    found = measure(table(train_count=[10, 10]), part([2.0], [2]))
    assert found["nll", "test/unseen"].value is None
    assert "no token of the test text" in found["nll", "test/unseen"].note
    assert found["tail_gap", "test"].value is None


def test_corpus_values_are_weighted_by_tokens_and_response_values_are_not() -> None:
    human = part([2.0, 30.0], [2, 10])
    found = measure(table(token=[1.0]), human)
    assert found["nll", "test"].value == pytest.approx(32 / 12)
    assert found["perplexity", "test"].value == pytest.approx(math.exp(32 / 12))
    assert found["bits_per_byte", "test"].value == pytest.approx(32 / math.log(2) / 48)
    assert found["response_perplexity", "test"].value == pytest.approx((math.e + math.e**3) / 2)


def test_means_over_tokens_are_those_of_the_columns() -> None:
    rows = table(entropy=[1.0, 3.0], nucleus=[10.0, 20.0], rank=[1.0, 7.0], tail_mass=[0.1, 0.3])
    found = measure(rows, part([2.0], [2]))
    assert found["entropy", "test"].value == 2
    assert found["nucleus_size", "test"].value == 15
    assert found["token_accuracy", "test"].value == 0.5
    assert found["tail_mass", "test"].value == pytest.approx(0.2)


def test_the_eggs_rule_leaves_out_what_lies_far_outside_the_quartiles_and_lists_it() -> None:
    nats = [*(math.log(p) * 2 for p in (10.0, 11.0, 12.0, 13.0, 14.0)), math.log(500.0) * 2]
    human = part(nats, [2] * 6)
    measured, outliers = likelihood.measure(table(token=[1.0]), human, human, 2)
    found = {(m.metric, m.item_set): m for m in measured}
    assert outliers["test"] == ["r5"]
    assert found["eggs_perplexity", "test"].value == pytest.approx(12)
    assert found["eggs_perplexity", "test"].n == 5
    assert found["eggs_perplexity", "test"].excluded == 1
    assert found["response_perplexity", "test"].value == pytest.approx((60 + 500) / 6)
    assert found["response_perplexity_median", "test"].value == pytest.approx(12.5)


def test_the_eggs_perplexity_of_own_text_is_without_the_closing_token() -> None:
    own = part([3.5], [4])
    found = measure(table(token=[1.0]), part([2.0], [2]), own)
    assert found["eggs_perplexity", "own"].value == pytest.approx(math.exp((3.5 - 0.5) / 3))
    assert found["response_perplexity", "own"].value == pytest.approx(math.exp(3.5 / 4))


def test_quartiles_are_those_of_numpy_and_the_reach_is_one_and_a_half() -> None:
    values = np.array([1.0, 2, 3, 4, 8.5, 8.51])
    low, high = np.percentile(values, [25, 75])
    outside = likelihood.interquartile_outliers(values)
    reach = 1.5 * (high - low)
    assert outside.tolist() == [bool(v < low - reach or v > high + reach) for v in values]
    assert likelihood.interquartile_outliers(np.array([2.0] * 9 + [2.1])).tolist()[-1]


def test_a_response_beyond_all_numbers_has_a_reason_and_no_value() -> None:
    found = measure(table(token=[1.0]), part([2000.0, 2.0], [2, 2]))
    assert found["response_perplexity", "test"].value is None
    assert "is not finite" in found["response_perplexity", "test"].note
    assert found["perplexity", "test"].value == pytest.approx(math.exp(2002 / 4))


def test_nothing_scored_is_told_with_its_reason() -> None:
    nothing = part([], [], excluded={"a": "the response is empty"})
    empty = {name: column[:0] for name, column in table(token=[1.0]).items()}
    for found in measure(empty, nothing).values():
        assert found.value is None
        assert found.note
    assert "the response is empty" in measure(empty, nothing)["nll", "test"].note
