"""Trends over doses and generations; test_null_studies checks their error rates."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from manybaskets.config.validation import load
from manybaskets.findings import trends as module
from manybaskets.findings.trends import (
    mean_slope,
    page_p,
    seeds_for_page,
    slopes,
    smallest_page_p,
    trends,
)
from manybaskets.study.series import series

SERIES: Any = [{"name": "synthetic", "doses": {"human": 0.0, "half": 0.5, "all": 1.0}}]
PRIMARY = {"collapse": ("nll", "test")}


def table(values: dict[tuple[str, int], list[float | None]]) -> pd.DataFrame:
    """Measurements from the values of seeds by (mix, generation)."""
    rows = [
        {"study": "s", "target": "wren", "mix": mix, "seed": seed, "generation": generation}
        | {"probe": "collapse", "metric": "nll", "item_set": "test", "value": value}
        for (mix, generation), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    return pd.DataFrame(rows).astype({"value": "float64", "generation": "Int64"})


RISING = {("human", 0): [1.0, 1.1, 0.9, 1.0], ("half", 0): [1.5, 1.7, 1.5, 1.4]} | {
    ("all", 0): [2.0, 2.2, 1.9, 2.1]
}


def only(frame: pd.DataFrame) -> dict[str, Any]:
    (row,) = frame.to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_seeds_slope_is_that_of_least_squares() -> None:
    doses, values = [0.0, 0.25, 1.0], np.array([[1.0, 3.0, 2.0], [0.0, 0.5, 2.0]])
    expected = [stats.linregress(doses, row).slope for row in values]
    assert slopes(doses, values).tolist() == pytest.approx(expected)


def test_the_mean_slope_is_tested_over_seeds() -> None:
    found = [1.0, 1.2, 0.7, 0.9]
    theirs = stats.ttest_1samp(found, 0)
    interval = theirs.confidence_interval()
    assert mean_slope(found) == pytest.approx(
        (np.mean(found), interval.low, interval.high, theirs.pvalue)
    )


@pytest.mark.parametrize(("seeds", "doses"), [(3, 3), (5, 4), (4, 6)])
def test_pages_p_is_that_of_scipy_in_both_directions(seeds: int, doses: int) -> None:
    draw = np.random.default_rng([seeds, doses])
    for _ in range(5):
        matrix = draw.normal(size=(seeds, doses))
        one_sided = [stats.page_trend_test(one, method="exact").pvalue for one in (matrix, -matrix)]
        assert page_p(matrix) == pytest.approx(min(1, 2 * min(one_sided)))


def test_pages_p_of_many_doses_is_the_normal_approximation() -> None:
    matrix = np.random.default_rng(0).normal(size=(6, 9)) + 0.2 * np.arange(9)
    expected = 2 * stats.page_trend_test(matrix, method="asymptotic").pvalue
    assert page_p(matrix) == pytest.approx(expected)


def test_pages_p_is_small_where_every_seed_is_in_order() -> None:
    matrix = np.tile(np.arange(4.0), (3, 1))
    assert page_p(matrix) == page_p(-matrix) == pytest.approx(2 / 24**3)
    assert smallest_page_p(3, 4) == pytest.approx(2 / math.factorial(4) ** 3)
    assert seeds_for_page(3) == 3  # 2/36 with two


def test_a_series_that_rises_is_said_to_rise_with_its_slope() -> None:
    found = only(trends(table(RISING), SERIES, PRIMARY))
    assert found["doses"] == "human 0, half 0.5, all 1"
    assert found["seeds"] == 4
    assert found["slope"] == pytest.approx(1.05)
    assert found["ci_low"] < 1.05 < found["ci_high"]
    assert found["decided"] and found["p_adjusted"] == found["p_slope"]
    assert "nll on test of wren rises with the synthetic" in found["verdict"]
    assert "Page's test p" in found["verdict"]


def test_seeds_without_a_value_at_a_dose_do_not_count() -> None:
    gap = RISING | {("half", 0): [1.5, None, 1.5, 1.4]}
    assert only(trends(table(gap), SERIES, PRIMARY))["seeds"] == 3


def test_a_series_with_a_mix_that_was_not_measured_has_no_row() -> None:
    assert trends(table({("human", 0): [1.0, 2.0], ("all", 0): [1.0, 2.0]}), SERIES, PRIMARY).empty


def test_too_few_seeds_are_said_with_how_many_would_do() -> None:
    two = {key: values[:2] for key, values in RISING.items()}
    found = only(trends(table(two), SERIES, PRIMARY))
    assert np.isnan(found["p_page"])
    assert "Page's test cannot decide with 2 seeds; 3 would do." in found["verdict"]
    one = {key: values[:1] for key, values in RISING.items()}
    found = only(trends(table(one), SERIES, PRIMARY))
    assert found["verdict"].startswith("Cannot be decided: nll on test of wren with the ")
    assert "1 seed with a value at every dose" in found["verdict"]
    assert found["slope"] == pytest.approx(1.0)


def test_loops_change_per_generation() -> None:
    loop = {("loop", g): [2 + 0.1 * g + 0.01 * s * g for s in range(4)] for g in range(4)}
    found = only(trends(table(loop | {("human", 0): [1.0] * 4}), [], PRIMARY))
    assert (found["series"], found["mix"], found["doses"]) == ("generation", "loop", "0, 1, 2, 3")
    assert found["slope"] == pytest.approx(0.115)
    assert "rises over the generations of loop" in found["verdict"]
    assert "+0.115 per generation" in found["verdict"]


def test_of_loops_the_last_generation_counts_in_a_series() -> None:
    loop = {("all", g): [2.0 + g, 2.2 + g, 1.9 + g, 2.1 + g] for g in (0, 1)}
    parts = {key: value for key, value in RISING.items() if key[0] != "all"}
    found = trends(table(parts | loop), SERIES, PRIMARY)
    assert found.set_index("series").loc["synthetic", "slope"] == pytest.approx(2.05)


def test_no_measurements_make_an_empty_table() -> None:
    empty = table(RISING).iloc[:0]
    found = trends(empty, SERIES, PRIMARY)
    assert len(found) == 0 and "verdict" in found.columns
    assert module.GENERATION == "generation"


# ---- which mixes are a series ------------------------------------------------------------------


def of_mixes(study_config: dict[str, Any], mixes: dict[str, Any], **contrasts: Any) -> list[Any]:
    study_config["mixes"] = mixes
    study_config["contrasts"] = contrasts
    return list(series(load(study_config, "s.yaml")))


def test_shares_of_the_same_synthetic_text_are_a_series(study_config: dict[str, Any]) -> None:
    mixes = {
        "human": {"origins": {"human": 1}},
        "all": {"origins": {"wren": 1}},
        "half": {"origins": {"human": 0.5, "wren": 0.5}},
        "other": {"origins": {"human": 0.5, "finch": 0.5}},
    }
    (found,) = of_mixes(study_config, mixes)
    assert found["name"] == "share of synthetic text (wren)"
    assert list(found["doses"].items()) == [("human", 0.0), ("half", 0.5), ("all", 1.0)]


def test_nested_sets_of_sources_are_a_series(study_config: dict[str, Any]) -> None:
    study_config["sources"]["lark"] = {"recorded": "lark.jsonl"}
    mixes = {
        "one": {"origins": {"wren": 1}},
        "two": {"origins": {"wren": 0.5, "finch": 0.5}},
        "three": {"origins": {"wren": 1 / 3, "finch": 1 / 3, "lark": 1 / 3}},
        "uneven": {"origins": {"wren": 0.9, "finch": 0.1}},
    }
    (found,) = of_mixes(study_config, mixes)
    assert found == {"name": "number of sources", "doses": {"one": 1, "two": 2, "three": 3}}


def test_two_mixes_are_a_contrast_and_no_series(study_config: dict[str, Any]) -> None:
    assert of_mixes(study_config, study_config["mixes"]) == []


def test_declared_series_come_first_and_are_checked(study_config: dict[str, Any]) -> None:
    doses = {"human": 0, "single": 1, "multi": 2}
    (found,) = of_mixes(study_config, study_config["mixes"], doses={"kept share": doses})
    assert found == {"name": "kept share", "doses": doses}
    for bad in ({"human": 0, "single": 1}, {"human": 0, "single": 1, "multi": 1}):
        with pytest.raises(ValueError, match="at least 3 mixes with different doses"):
            of_mixes(study_config, study_config["mixes"], doses={"kept share": bad})
    with pytest.raises(ValueError, match="no mix named 'mluti'"):
        of_mixes(study_config, study_config["mixes"], doses={"x": doses | {"mluti": 3}})
