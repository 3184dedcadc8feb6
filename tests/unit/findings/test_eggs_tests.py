"""The Eggs study's tests, compared with scipy, and their labels."""

import numpy as np
import pytest
from scipy import stats

from manybaskets.findings.eggs_tests import LABEL, compared, pooled_tests, without_outliers
from manybaskets.findings.per_prompt import Items, Key, Table

DRAW = np.random.default_rng(0)
GROUPS = {name: DRAW.normal(place / 4, 1, 60) for place, name in enumerate("abcd")}
PAIRS = [("a", "b"), ("a", "d")]


def table(metric: str = "nll") -> Table:
    return {
        Key("wren", mix, seed, 0, "collapse", metric, "test"): Items(
            tuple(str(i) for i in range(30)), values[30 * seed : 30 * seed + 30], np.ones(30)
        )
        for mix, values in GROUPS.items()
        for seed in (0, 1)
    }


def test_all_three_are_scipys() -> None:
    levene, kruskal, *pairs = compared(GROUPS, PAIRS)
    assert levene["p"] == stats.levene(*GROUPS.values(), center="median").pvalue
    assert kruskal["p"] == stats.kruskal(*GROUPS.values()).pvalue
    theirs = stats.mannwhitneyu(GROUPS["a"], GROUPS["d"]).pvalue
    assert pairs[1]["p"] == theirs
    assert pairs[1]["p_bonferroni"] == pytest.approx(min(1, 2 * theirs))
    assert (pairs[1]["n_mix"], pairs[1]["n_against"]) == (60, 60)


def test_prompts_are_pooled_over_seeds_and_the_table_says_so() -> None:
    found = pooled_tests(table("bits_per_byte"), PAIRS)
    assert (found["basis"] == LABEL).all() and "not valid where runs differ" in LABEL
    kruskal = found[found["test"] == "Kruskal-Wallis"].iloc[0]
    assert kruskal["p"] == pytest.approx(stats.kruskal(*GROUPS.values()).pvalue)
    assert (found["test"] == "Mann-Whitney").sum() == 6  # all pairs of four conditions


def test_likelihood_is_tested_as_perplexity_without_outliers_too() -> None:
    found = pooled_tests(table(), PAIRS)
    assert set(found["metric"]) == {"nll", "perplexity"}
    clean = [without_outliers(np.exp(values)) for values in GROUPS.values()]
    rows = found[(found["metric"] == "perplexity") & (found["test"] == "Kruskal-Wallis")]
    assert rows["statistic"].item() == pytest.approx(stats.kruskal(*clean).statistic)
    assert rows["excluded"].item() == 240 - sum(map(len, clean)) > 0


def test_outliers_lie_beyond_one_and_a_half_interquartile_ranges() -> None:
    assert without_outliers(np.array([1.0, 2, 3, 4, 100])).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("groups", [{}, {"a": np.ones(5)}, {"a": np.ones(5), "b": np.ones(5)}])
def test_what_cannot_be_tested_is_left_out(groups: dict[str, np.ndarray]) -> None:
    assert compared(groups, []) == []


def test_no_items_make_an_empty_table() -> None:
    assert list(pooled_tests({}, PAIRS).columns)[-1] == "basis"
