"""The tests of the Eggs study, for comparison with its numbers and for nothing else.

Levene (about the median), Kruskal-Wallis, and pairwise Mann-Whitney with Bonferroni, over single
prompts pooled as if each were a replication (arXiv 2511.01490). Two runs of one recipe differ, and
these tests take that for an effect of the recipe: with ordinary variation from run to run, 35 to
44 % of comparisons of equal recipes come out significant at a nominal 5 %. They hold only where
runs do not differ.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from manybaskets.findings.per_prompt import Table

LABEL = "prompts pooled over seeds; not valid where runs differ"
COLUMNS = (
    *("target", "probe", "metric", "item_set", "test", "mix", "against"),
    *("n_mix", "n_against", "excluded", "statistic", "p", "p_bonferroni", "basis"),
)
MOST_CONDITIONS = 10  # with more, the pairs are those of the contrasts

Groups = dict[str, NDArray[np.float64]]


def pooled_tests(items: Table, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """All tests of all metrics that have values of single prompts.

    A loop is tested at its last generation. `nll` is tested as the perplexity of single responses
    too, with outliers left out per condition by the study's rule (1.5 interquartile ranges beyond
    the quartiles). Pairs are all of conditions, or `pairs` where there are many.
    """
    rows = [row for which, groups in _metrics(items) for row in _tests(which, groups, pairs)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def without_outliers(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values within 1.5 interquartile ranges of the quartiles (linear interpolation)."""
    low, high = np.percentile(values, [25, 75])
    reach = 1.5 * (high - low)
    return np.asarray(values[(values >= low - reach) & (values <= high + reach)])


def compared(groups: Groups, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Levene, Kruskal-Wallis and the Mann-Whitney tests of `pairs`, each with its statistic and p.

    The `p_bonferroni` of a pair is its p times the number of pairs, 1 at most. Tests that are not
    possible (fewer than two conditions, no variation at all) are left out.
    """
    together = np.concatenate(list(groups.values())) if groups else np.empty(0)
    if len(groups) < 2 or np.ptp(together) == 0 or min(map(len, groups.values())) < 2:
        return []
    rows: list[dict[str, Any]] = []
    samples = list(groups.values())
    levene = stats.levene(*samples, center="median")
    if np.isfinite(levene.pvalue):
        rows.append({"test": "Levene", "statistic": levene.statistic, "p": levene.pvalue})
    kruskal = stats.kruskal(*samples)
    rows.append({"test": "Kruskal-Wallis", "statistic": kruskal.statistic, "p": kruskal.pvalue})
    for mix, against in pairs:
        test = stats.mannwhitneyu(groups[mix], groups[against], alternative="two-sided")
        rows.append(
            {
                "test": "Mann-Whitney",
                "mix": mix,
                "against": against,
                "n_mix": len(groups[mix]),
                "n_against": len(groups[against]),
                "statistic": test.statistic,
                "p": test.pvalue,
                "p_bonferroni": min(1.0, test.pvalue * len(pairs)),
            }
        )
    return rows


def _metrics(items: Table) -> Iterator[tuple[tuple[str, str, str, str], Groups]]:
    """(target, probe, metric, item set) with the pooled values of every condition."""
    last: dict[tuple[str, str], int] = {}
    for key in items:
        last[key.target, key.mix] = max(key.generation, last.get((key.target, key.mix), 0))
    by_metric: dict[tuple[str, str, str, str], dict[str, list[NDArray[np.float64]]]] = {}
    for key in sorted(items):
        if key.generation == last[key.target, key.mix]:
            of_metric = by_metric.setdefault((key.target, key.probe, key.metric, key.item_set), {})
            one = items[key]
            with np.errstate(invalid="ignore", divide="ignore"):
                values = one.amounts / one.sizes
            of_metric.setdefault(key.mix, []).append(values[np.isfinite(values)])
    for which, parts in by_metric.items():
        yield which, {mix: np.concatenate(values) for mix, values in parts.items()}


def _tests(
    which: tuple[str, str, str, str], groups: Groups, pairs: list[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    target, probe, metric, item_set = which
    chosen = [pair for pair in pairs if set(pair) <= set(groups)]
    if len(groups) <= MOST_CONDITIONS:
        chosen = list(itertools.combinations(groups, 2))
    variants: list[tuple[str, Groups]] = [(metric, groups)]
    if metric == "nll":
        clean = {mix: without_outliers(np.exp(values)) for mix, values in groups.items()}
        variants.append(("perplexity", clean))
    identity: Mapping[str, Any] = {"target": target, "probe": probe, "item_set": item_set}
    for name, variant in variants:
        excluded = sum(map(len, groups.values())) - sum(map(len, variant.values()))
        for row in compared(variant, chosen):
            yield {**identity, "metric": name, **row, "excluded": excluded, "basis": LABEL}
