"""Trends: a metric over the doses of a series of mixes, or over the generations of a loop.

Every seed gives one slope (least squares over the doses); seeds are the unit of replication. Page's
test asks whether the order of the doses shows in every seed's ranks, whatever the shape.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from manybaskets.findings import sentences
from manybaskets.findings.rows import to_frame
from manybaskets.findings.two_sample import Values, as_values, benjamini_hochberg, holm, varies
from manybaskets.study.series import Series

GENERATION = "generation"
EXACT_DOSES = 7


@dataclass(frozen=True)
class Trend:
    """One metric of one target over a series.

    `slope` is the change of the metric per unit of the dose, with its 1 - alpha interval over
    seeds, and `direction` its sign as "rises" or "falls". `mix` is the mix of a loop, empty for a
    series of mixes. A value that could not be computed is None; `reason` is why no test is
    possible. `notes` are further sentences, and `verdict` is all of it in words.
    """

    target: str
    series: str
    mix: str
    probe: str
    metric: str
    item_set: str
    family: str
    doses: str
    seeds: int
    slope: float | None = None
    direction: str = ""
    ci_low: float | None = None
    ci_high: float | None = None
    p_slope: float | None = None
    p_page: float | None = None
    p_adjusted: float | None = None
    decided: bool = False
    reason: str = ""
    notes: tuple[str, ...] = ()
    verdict: str = ""


def trends(
    measurements: pd.DataFrame,
    series: Sequence[Series],
    primary: Mapping[str, tuple[str, str]],
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Every metric of every target over every series, and over the generations of every loop.

    `measurements` as from `measurement.gather`, `primary` as in `contrasts.contrasts`. P-values of
    slopes are adjusted over all trends of a family: Holm in the primary, Benjamini-Hochberg in the
    exploratory. A seed counts where it has a value at every dose. Returns a table with the fields
    of Trend as columns.
    """
    measured = [
        _measured(trend, doses, matrix, alpha)
        for trend, doses, matrix in _planned(measurements, series, primary)
    ]
    rows = []
    for family, adjust in (("primary", holm), ("exploratory", benjamini_hochberg)):
        members = [trend for trend in measured if trend.family == family]
        tested = [trend for trend in members if trend.p_slope is not None]
        adjusted = adjust(np.array([trend.p_slope for trend in tested], dtype=np.float64))
        rows += [trend for trend in members if trend.p_slope is None]
        rows += [
            replace(trend, p_adjusted=float(p), decided=bool(p <= alpha))
            for trend, p in zip(tested, adjusted, strict=True)
        ]
    rows = [replace(row, verdict=sentences.trend_verdict(row, alpha)) for row in rows]
    rows.sort(key=lambda row: (row.target, row.series, row.mix, row.family != "primary", row.probe))
    return to_frame(rows, Trend)


def slopes(doses: ArrayLike, values: ArrayLike) -> Values:
    """Least-squares slope of every seed, of shape (seeds,), from values of shape (seeds, doses)."""
    centred = as_values(doses) - as_values(doses).mean()
    return np.asarray(as_values(values) @ centred / (centred @ centred))


def mean_slope(of_seeds: ArrayLike, alpha: float = 0.05) -> tuple[float, float, float, float]:
    """Mean of the seeds' slopes, its 1 - alpha interval, and the p-value of a mean of 0.

    Student's t over seeds: it holds with seeds that differ in level and in slope. Raises
    ValueError with fewer than two seeds, and where all slopes are the same.
    """
    values = as_values(of_seeds)
    if len(values) < 2:
        raise ValueError(
            f"{sentences.seed_count(len(values))} with a value at every dose; "
            "at least 2 are needed."
        )
    if not varies(values):
        raise ValueError("every seed has the same slope; there is nothing to test.")
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    margin = float(stats.t.ppf(1 - alpha / 2, len(values) - 1)) * error
    mean = float(values.mean())
    p = float(2 * stats.t.sf(abs(mean) / error, len(values) - 1))
    return mean, mean - margin, mean + margin, p


def page_p(values: ArrayLike) -> float:
    """Two-sided p-value of Page's L for a trend in either direction (Page 1963).

    `values` has the shape (seeds, doses) in the order of the doses. Twice the smaller one-sided
    p-value, 1 at most. Exact for up to EXACT_DOSES doses, beyond by the normal approximation; ties
    get mean ranks, which makes it call fewer trends. Holds with seeds that differ in level.
    """
    # scipy.stats.page_trend_test(method="exact") gives the same numbers, but computes the null
    # distribution again for every metric: 0.1 s for 10 seeds and 7 doses, here once per shape.
    matrix = as_values(values)
    seeds, doses = matrix.shape
    places = np.arange(1, doses + 1)
    rising = float((stats.rankdata(matrix, axis=1) @ places).sum())
    falling = seeds * doses * (doses + 1) ** 2 / 2 - rising
    if doses > EXACT_DOSES:
        middle = seeds * doses * (doses + 1) ** 2 / 4
        spread = math.sqrt(seeds * doses**2 * (doses + 1) * (doses**2 - 1) / 144)
        return float(2 * stats.norm.sf((max(rising, falling) - middle) / spread))
    lowest, above = _page_distribution(seeds, doses)
    return float(min(1.0, 2 * above[math.floor(max(rising, falling)) - lowest]))


@functools.lru_cache(maxsize=32)
def _page_distribution(seeds: int, doses: int) -> tuple[int, Values]:
    """The smallest possible L, and the probability of each L from it on or a larger one."""
    places = np.arange(1, doses + 1)
    of_one = np.array([order @ places for order in itertools.permutations(places)])
    one = np.bincount(of_one - of_one.min()) / len(of_one)
    all_seeds: Values = np.ones(1, dtype=np.float64)
    for _ in range(seeds):
        all_seeds = np.asarray(np.convolve(all_seeds, one))
    return seeds * int(of_one.min()), np.cumsum(all_seeds[::-1])[::-1]


def smallest_page_p(seeds: int, doses: int) -> float:
    """The smallest two-sided p-value that Page's test can attain."""
    return float(min(1.0, 2 / math.factorial(doses) ** seeds))


def seeds_for_page(doses: int, alpha: float = 0.05) -> int:
    """The fewest seeds with which Page's test can reach alpha."""
    seeds = 1
    while smallest_page_p(seeds, doses) > alpha:
        seeds += 1
    return seeds


Planned = tuple[Trend, Values, Values]


def _planned(
    measurements: pd.DataFrame,
    series: Sequence[Series],
    primary: Mapping[str, tuple[str, str]],
) -> Iterator[Planned]:
    columns = ["target", "probe", "metric", "item_set"]
    generation = measurements["generation"].fillna(0)
    last = generation.groupby([measurements["target"], measurements["mix"]]).transform("max")
    loops = set(measurements.loc[last > generation, "mix"])
    by_mix = _spread(measurements[generation == last], columns, "mix") if series else None
    for one in series:
        mixes = list(one["doses"])
        if by_mix is None or not set(mixes) <= set(by_mix.columns):
            continue
        words = ", ".join(f"{mix} {dose:g}" for mix, dose in one["doses"].items())
        doses = as_values(list(one["doses"].values()))
        for which, rows in by_mix[mixes].groupby(columns, sort=True):
            if rows.notna().any().all():
                yield _trend(which, one["name"], "", primary, words), doses, _whole(rows)
    in_loops = measurements[measurements["mix"].isin(loops)]
    in_loops = in_loops.assign(generation=in_loops["generation"].fillna(0))
    if len(in_loops) == 0:
        return
    by_generation = _spread(in_loops, [*columns, "mix"], GENERATION)
    for (*of_target, mix), rows in by_generation.groupby([*columns, "mix"], sort=True):
        rows = rows.loc[:, rows.notna().any()]
        if len(rows.columns) > 1:
            words = ", ".join(f"{value:g}" for value in rows.columns)
            trend = _trend(tuple(of_target), GENERATION, str(mix), primary, words)
            yield trend, as_values(rows.columns), _whole(rows)


def _trend(
    which: tuple[str, ...],
    series: str,
    mix: str,
    primary: Mapping[str, tuple[str, str]],
    doses: str,
) -> Trend:
    target, probe, metric, item_set = which
    family = "primary" if primary.get(probe) == (metric, item_set) else "exploratory"
    return Trend(target, series, mix, probe, metric, item_set, family, doses, seeds=0)


def _spread(rows: pd.DataFrame, columns: list[str], across: str) -> pd.DataFrame:
    """One row per seed of every group, one column per mix or generation."""
    return rows.set_index([*columns, "seed", across])["value"].unstack(across)


def _whole(rows: pd.DataFrame) -> Values:
    """The values, of shape (seeds, doses), of the seeds that have all."""
    values = rows.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(values[np.isfinite(values).all(axis=1)])


def _measured(trend: Trend, doses: Values, matrix: Values, alpha: float) -> Trend:
    trend = replace(trend, seeds=len(matrix))
    try:
        slope, low, high, p = mean_slope(slopes(doses, matrix), alpha)
    except ValueError as error:
        if len(matrix):
            trend = _with_slope(trend, float(slopes(doses, matrix).mean()))
        return replace(trend, reason=str(error))
    notes = []
    p_page = None
    if len(doses) < 3:
        notes.append("Two doses have no order to test.")
    elif smallest_page_p(*matrix.shape) > alpha:
        notes.append(
            f"Page's test cannot decide with {len(matrix)} seeds; "
            f"{seeds_for_page(len(doses), alpha)} would do."
        )
    else:
        p_page = page_p(matrix)
    trend = _with_slope(trend, slope)
    return replace(trend, ci_low=low, ci_high=high, p_slope=p, p_page=p_page, notes=tuple(notes))


def _with_slope(trend: Trend, slope: float) -> Trend:
    direction = "rises" if slope > 0 else "falls" if slope < 0 else ""
    return replace(trend, slope=slope, direction=direction)
