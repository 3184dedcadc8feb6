"""Null studies through the statistics: every reported test has its nominal error rate.

1,000 studies each, one target of the table a study. A test claims to hold from as many seeds on
as its test here has; with fewer, Welch's test and permutation call fewer differences than alpha.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from manybaskets.findings.contrasts import contrasts
from manybaskets.findings.eggs_tests import compared
from manybaskets.findings.per_prompt import Items, Key
from manybaskets.findings.trends import trends
from manybaskets.findings.two_sample import benjamini_hochberg, holm

pytestmark = pytest.mark.slow  # thousands of simulated studies

STUDIES = 1_000
PAIR = [("multi", "human")]
PRIMARY = {"collapse": ("nll", "test")}


def table(values: Mapping[str, NDArray[np.float64]], generation: int = 0) -> pd.DataFrame:
    """Measurements from values of shape (studies, seeds) by mix."""
    parts = []
    for mix, of_mix in values.items():
        studies, seeds = of_mix.shape
        names = np.array([f"target-{study:04d}" for study in range(studies)])
        fields: dict[str, Any] = {"study": "s", "target": np.repeat(names, seeds), "mix": mix}
        fields |= {"seed": np.tile(np.arange(seeds), studies), "generation": generation}
        fields |= {"probe": "collapse", "metric": "nll", "item_set": "test"}
        parts.append(pd.DataFrame({**fields, "value": of_mix.ravel(), "n": 1}))
    return pd.concat(parts, ignore_index=True)


def null(seeds: int, spread: float = 1.0, start: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng([seeds, start])
    values = {"multi": draw.normal(0, spread, (STUDIES, seeds))}
    return table(values | {"human": draw.normal(0, 1, (STUDIES, seeds))})


def rate(p_values: "pd.Series[float]") -> float:
    assert p_values.notna().all()
    return float((p_values <= 0.05).mean())


def holds(share: float) -> bool:
    return 0.035 <= share <= 0.065


@pytest.mark.parametrize("seeds", [5, 10])
def test_welch_and_permutation_are_wrong_in_one_of_twenty_null_studies(seeds: int) -> None:
    found = contrasts(null(seeds), PAIR, PRIMARY)
    assert len(found) == STUDIES
    assert holds(rate(found["p_welch"]))
    assert holds(rate(found["p_permutation"]))
    covered = (found["ci_low"] <= 0) & (found["ci_high"] >= 0)
    assert 0.93 <= covered.mean() <= 0.97


def test_welch_holds_where_one_condition_varies_three_times_as_much() -> None:
    found = contrasts(null(5, spread=3.0), PAIR, PRIMARY)
    assert holds(rate(found["p_welch"]))


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_with_fewer_seeds_nothing_is_called_more_often_than_it_says(seeds: int) -> None:
    found = contrasts(null(seeds), PAIR, PRIMARY)
    assert rate(found["p_welch"]) <= 0.05
    if seeds < 4:
        assert found["p_permutation"].isna().all()
        assert found["verdict"].str.contains("at least 4 of each needed").all()
    else:
        assert rate(found["p_permutation"]) <= 0.05


def test_at_the_margin_equivalence_is_claimed_in_one_of_twenty_studies() -> None:
    draw = np.random.default_rng(7)
    values = {"multi": draw.normal(4, 1, (STUDIES, 5)), "human": draw.normal(0, 1, (STUDIES, 5))}
    found = contrasts(table(values), PAIR, PRIMARY, margins={"nll@test": 4.0})
    assert holds(rate(found["p_equivalence"]))


def test_holm_keeps_any_false_positive_of_a_family_at_one_in_twenty() -> None:
    found = contrasts(
        pd.concat([null(6, start=start).assign(probe=f"p{start}") for start in range(4)]),
        PAIR,
        {f"p{start}": ("nll", "test") for start in range(4)},
    )
    families = found.groupby("target")["p_welch"].apply(lambda p: float(holm(p).min()))
    assert len(families) == STUDIES and families.index.is_unique
    assert holds(rate(families))
    of_discovery = found.groupby("target")["p_welch"].apply(
        lambda p: float(benjamini_hochberg(p).min())
    )
    assert holds(rate(of_discovery))


def crossed(
    draw: np.random.Generator, seeds: int, prompts: int, of_seed: float, of_prompt: float
) -> dict[str, NDArray[np.float64]]:
    """Values by seed and prompt of two conditions without a difference in the long run."""
    shared = draw.normal(size=prompts)
    return {
        mix: of_seed * draw.normal(size=(seeds, 1))
        + shared
        + of_prompt * draw.normal(size=prompts)
        + draw.normal(size=(seeds, prompts))
        for mix in ("multi", "human")
    }


@pytest.mark.parametrize(
    ("seeds", "of_seed", "of_prompt"), [(3, 0.3, 0.3), (5, 0.3, 0.3), (10, 0.2, 1)]
)
def test_the_interval_over_seeds_and_prompts_covers(
    seeds: int, of_seed: float, of_prompt: float
) -> None:
    draw = np.random.default_rng(11)
    names = tuple(str(prompt) for prompt in range(60))
    items = {}
    values = {mix: np.empty((STUDIES, seeds)) for mix in ("multi", "human")}
    for study in range(STUDIES):
        for mix, of_mix in crossed(draw, seeds, 60, of_seed, of_prompt).items():
            values[mix][study] = of_mix.mean(axis=1)
            for seed in range(seeds):
                key = Key(f"target-{study:04d}", mix, seed, 0, "collapse", "nll", "test")
                items[key] = Items(names, of_mix[seed], np.ones(60))
    found = contrasts(table(values), PAIR, PRIMARY, items=items)
    assert (found["prompts"] == 60).all()
    covered = (found["ci_prompts_low"] <= 0) & (found["ci_prompts_high"] >= 0)
    assert 0.93 <= covered.mean() <= 0.97


@pytest.mark.parametrize(("seeds", "doses"), [(5, 4), (10, 5)])
def test_trends_are_wrong_in_one_of_twenty_null_studies(seeds: int, doses: int) -> None:
    draw = np.random.default_rng([13, seeds])
    levels = draw.normal(size=(STUDIES, seeds))  # runs of one seed are alike
    mixes = [f"mix-{dose}" for dose in range(doses)]
    values = {mix: levels + draw.normal(size=(STUDIES, seeds)) for mix in mixes}
    series: Any = [{"name": "share", "doses": {mix: i / 4 for i, mix in enumerate(mixes)}}]
    found = trends(table(values), series, PRIMARY)
    assert len(found) == STUDIES
    assert holds(rate(found["p_slope"]))
    assert holds(rate(found["p_page"]))
    covered = (found["ci_low"] <= 0) & (found["ci_high"] >= 0)
    assert 0.93 <= covered.mean() <= 0.97


def test_changes_per_generation_are_wrong_in_one_of_twenty_null_studies() -> None:
    draw = np.random.default_rng(17)
    frames = [table({"loop": draw.normal(size=(STUDIES, 6))}, generation=g) for g in range(4)]
    found = trends(pd.concat(frames), [], PRIMARY)
    assert (found["series"] == "generation").all()
    assert holds(rate(found["p_slope"]))
    assert holds(rate(found["p_page"]))


def pooled_rates(of_seed: float) -> dict[str, float]:
    """Share of null studies (4 conditions, 3 seeds, 40 prompts) that each pooled test calls."""
    draw = np.random.default_rng(19)
    names = ["a", "b", "c", "d"]
    pairs = [("a", "b")]
    called: dict[str, list[bool]] = {}
    for _ in range(STUDIES):
        groups = {
            name: (of_seed * draw.normal(size=(3, 1)) + draw.normal(size=(3, 40))).ravel()
            for name in names
        }
        for row in compared(groups, pairs):
            called.setdefault(row["test"], []).append(row["p"] <= 0.05)
    return {test: float(np.mean(found)) for test, found in called.items()}


def test_the_pooled_tests_hold_where_runs_do_not_differ() -> None:
    found = pooled_rates(0.0)
    assert set(found) == {"Levene", "Kruskal-Wallis", "Mann-Whitney"}
    assert all(holds(share) for share in found.values()), found


def test_the_pooled_tests_do_not_hold_where_runs_differ_and_their_label_says_so() -> None:
    found = pooled_rates(0.4)
    assert found["Mann-Whitney"] > 0.3
    assert found["Kruskal-Wallis"] > 0.3
