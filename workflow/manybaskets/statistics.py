"""Contrasts: two mixes of a target compared over their seeds, from the table of measurements.

Seeds are the unit of replication: one value per seed, prompts stay inside it. Tests that pool the
prompts of one run call 35 to 44 % of differences real where there is none.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import gammaln

EXACT_SPLITS = 20_000  # up to 8 against 8 seeds every split is looked at
RANDOM_SPLITS = 9_999
TESTS_AT_ONCE = 256  # 20 MB of sums over random splits

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Welch:
    """Welch's comparison of two means: the first minus the second, in their unit."""

    difference: float
    low: float
    high: float
    degrees_of_freedom: float
    p: float


@dataclass(frozen=True)
class Contrast:
    """One metric of one target under `mix` compared with the same under `against`.

    Means, difference and interval are in the unit of the metric; the difference is mix minus
    against. What could not be computed is None. `decided` says that the adjusted p-value of
    Welch's test reaches alpha, `verdict` says it in words.
    """

    target: str
    probe: str
    metric: str
    item_set: str
    mix: str
    against: str
    family: str
    seeds_mix: int
    seeds_against: int
    mean_mix: float | None = None
    mean_against: float | None = None
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    hedges_g: float | None = None
    cliffs_delta: float | None = None
    p_welch: float | None = None
    p_permutation: float | None = None
    p_adjusted: float | None = None
    decided: bool = False
    verdict: str = ""


def contrasts(
    measurements: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    primary: Mapping[str, tuple[str, str]],
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Every metric of every target compared between the two mixes of every pair.

    `measurements` is the table of one study as `measurements.gather` makes it, `pairs` are
    (mix, against), `primary` names for each probe the (metric, item_set) that was chosen before
    looking; it forms the primary family, everything else the exploratory one. P-values of Welch's
    test are adjusted over all contrasts of a family: Holm in the primary, Benjamini-Hochberg in
    the exploratory. Intervals have the level 1 - alpha and are not adjusted. Of a mix that was
    measured over several generations the last one counts. A target that has neither mix of a
    pair, or a metric that was measured under neither, has no row.

    Returns a table with the fields of Contrast as columns, in the order of target, pair, family
    (primary first), probe, metric and item set; what could not be computed is missing.

    Raises ValueError for measurements of several studies, for a mix in `pairs` and for a primary
    metric of a measured probe that nobody measured, and for an alpha outside 0 to 1.
    """
    _check(measurements, pairs, primary, alpha)
    last = _last_generation(measurements)
    planned = list(_planned(last, pairs, primary))
    found = _permuted(
        [_contrast(contrast, measured, alpha) for contrast, measured in planned],
        [measured for _, measured in planned],
        alpha,
    )
    rows = []
    for family, adjust in (("primary", holm), ("exploratory", benjamini_hochberg)):
        members = [contrast for contrast in found if contrast.family == family]
        rows += _decide(members, adjust, alpha)
    places = {pair: place for place, pair in enumerate(pairs)}
    rows.sort(
        key=lambda row: (
            row.target,
            places[row.mix, row.against],
            row.family != "primary",
            row.probe,
            row.metric,
            row.item_set,
        )
    )
    return _table(rows)


def welch(mix: ArrayLike, against: ArrayLike, alpha: float = 0.05) -> Welch:
    """Welch's t-test of two samples of seeds, each of shape (seeds,), with its 1 - alpha interval.

    Welch 1947, degrees of freedom by Welch and Satterthwaite. Holds with no variation in one of
    the two samples; raises ValueError with none in either and with fewer than two seeds, since
    there is nothing then to compare a difference with.
    """
    x, y = _values(mix), _values(against)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"{len(x)} and {len(y)} seeds; it takes at least 2 of each.")
    if not (_varies(x) or _varies(y)):
        raise ValueError("no variation over seeds in either sample; that is not a test.")
    of_x, of_y = (_variance(x) / len(x), _variance(y) / len(y))
    difference = float(x.mean() - y.mean())
    error = math.sqrt(of_x + of_y)
    freedom = (of_x + of_y) ** 2 / (of_x**2 / (len(x) - 1) + of_y**2 / (len(y) - 1))
    margin = float(stats.t.ppf(1 - alpha / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(difference) / error, freedom))
    return Welch(difference, difference - margin, difference + margin, freedom, p)


def hedges_g(mix: ArrayLike, against: ArrayLike) -> float:
    """Standardised difference of two samples of seeds, free of the bias of small samples.

    Hedges 1981: the difference of means over the pooled standard deviation, times the exact
    correction J = gamma(m/2) / (sqrt(m/2) gamma((m-1)/2)) for m = n_x + n_y - 2 degrees of
    freedom. Raises ValueError with fewer than two seeds of each and without any variation.
    """
    x, y = _values(mix), _values(against)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"{len(x)} and {len(y)} seeds; it takes at least 2 of each.")
    freedom = len(x) + len(y) - 2
    pooled = ((len(x) - 1) * _variance(x) + (len(y) - 1) * _variance(y)) / freedom
    if pooled == 0:
        raise ValueError("no variation over seeds in either sample; nothing to standardise by.")
    correction = math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(
        freedom / 2
    )
    return float(correction * (x.mean() - y.mean()) / math.sqrt(pooled))


def cliffs_delta(mix: ArrayLike, against: ArrayLike) -> float:
    """P(x > y) - P(x < y) over all pairs of one seed of each (Cliff 1993), from -1 to 1.

    Raises ValueError for an empty sample.
    """
    x, y = _values(mix), _values(against)
    if len(x) == 0 or len(y) == 0:
        raise ValueError("a sample without a seed has no delta.")
    return float(np.sign(x[:, None] - y[None, :]).mean())


def permutation_p(mix: ArrayLike, against: ArrayLike) -> float:
    """Two-sided p-value of the difference of means over all splits of the seeds into two samples.

    Exact up to EXACT_SPLITS splits; beyond, over RANDOM_SPLITS random ones (always the same),
    with the observed split counted among them (Phipson and Smyth 2010). Twice the smaller of the
    one-sided p-values, 1 at most. Raises ValueError for an empty sample.
    """
    x, y = _values(mix), _values(against)
    if len(x) == 0 or len(y) == 0:
        raise ValueError("a sample without a seed cannot be permuted.")
    return float(_permutation_ps(np.concatenate([x, y])[None, :], len(x))[0])


def _permutation_ps(pooled: Values, seeds_mix: int) -> Values:
    """P-values of many tests at once, from values of shape (tests, seeds of both mixes)."""
    splits = _splits(seeds_mix, pooled.shape[1] - seeds_mix)
    is_exact = math.comb(pooled.shape[1], seeds_mix) <= EXACT_SPLITS
    found = [
        _two_sided(splits, pooled[start : start + TESTS_AT_ONCE], seeds_mix, is_exact)
        for start in range(0, len(pooled), TESTS_AT_ONCE)
    ]
    return np.concatenate(found)


def _two_sided(splits: Values, pooled: Values, seeds_mix: int, is_exact: bool) -> Values:
    # The mean of one side orders the splits as the difference of means does.
    centred = pooled - pooled.mean(axis=1, keepdims=True)
    sums = splits @ centred.T
    observed = centred[:, :seeds_mix].sum(axis=1)
    slack = 1e-12 * np.abs(centred).sum(axis=1)  # equal but for rounding is equal
    more = (sums >= observed - slack).sum(axis=0)
    less = (sums <= observed + slack).sum(axis=0)
    uncounted = 0 if is_exact else 1  # random splits leave the observed one out
    smaller = (np.minimum(more, less) + uncounted) / (len(splits) + uncounted)
    return np.asarray(np.minimum(1.0, 2 * smaller))


@functools.lru_cache(maxsize=4)
def _splits(seeds_mix: int, seeds_against: int) -> Values:
    """Which seeds go to the first sample, one split a row: 1 for those, 0 for the others."""
    seeds = seeds_mix + seeds_against
    if math.comb(seeds, seeds_mix) <= EXACT_SPLITS:
        chosen = np.array(list(itertools.combinations(range(seeds), seeds_mix)))
    else:
        draws = np.random.default_rng(0).random((RANDOM_SPLITS, seeds))
        chosen = np.argsort(draws, axis=1)[:, :seeds_mix]
    splits = np.zeros((len(chosen), seeds))
    np.put_along_axis(splits, chosen, 1.0, axis=1)
    return splits


def smallest_permutation_p(seeds_mix: int, seeds_against: int) -> float:
    """The smallest two-sided p-value that any values of so many seeds can attain."""
    return min(1.0, 2 / math.comb(seeds_mix + seeds_against, seeds_mix))


def seeds_to_permute(alpha: float = 0.05) -> int:
    """The fewest seeds of each of two mixes with which a permutation test can reach alpha."""
    seeds = 2
    while smallest_permutation_p(seeds, seeds) > alpha:
        seeds += 1
    return seeds


def holm(p_values: ArrayLike) -> Values:
    """P-values of shape (tests,) adjusted for the chance of any false positive (Holm 1979)."""
    p = _values(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Values:
    """P-values of shape (tests,) adjusted for the share of false positives (1995)."""
    p = _values(p_values)
    return np.asarray(stats.false_discovery_control(p, method="bh")) if len(p) else p


def _check(
    measurements: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    primary: Mapping[str, tuple[str, str]],
    alpha: float,
) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it lies between 0 and 1.")
    studies = measurements["study"].unique()
    if len(studies) > 1:
        raise ValueError(
            f"measurements of {', '.join(sorted(studies))}; contrasts stay in a study."
        )
    mixes = set(measurements["mix"])
    for mix in sorted({mix for pair in pairs for mix in pair} - mixes):
        raise ValueError(f"nothing was measured under '{mix}', only {', '.join(sorted(mixes))}.")
    for probe, (metric, item_set) in primary.items():
        measured = measurements.loc[measurements["probe"] == probe, ["metric", "item_set"]]
        available = set(measured.itertuples(index=False, name=None))
        if available and (metric, item_set) not in available:
            raise ValueError(
                f"the primary metric of {probe} is {metric} on '{item_set}', which nobody "
                "measured; there is "
                + ", ".join(f"{name} on '{on}'" for name, on in sorted(available))
            )


def _last_generation(measurements: pd.DataFrame) -> pd.DataFrame:
    generation = measurements["generation"].fillna(0)
    last = generation.groupby([measurements["target"], measurements["mix"]]).transform("max")
    return measurements[generation == last]


Measured = tuple[Values, Values]


def _planned(
    measurements: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    primary: Mapping[str, tuple[str, str]],
) -> Iterator[tuple[Contrast, Measured]]:
    """Each contrast still without values, and the values of both mixes, NaN where there is none."""
    nothing = np.empty(0)
    metric_columns = ["probe", "metric", "item_set"]
    for target, of_target in measurements.groupby("target", sort=True):
        values: dict[str, dict[tuple[str, str, str], Values]] = {}
        for (mix, *which), rows in of_target.groupby(["mix", *metric_columns], sort=True)["value"]:
            values.setdefault(mix, {})[tuple(which)] = rows.to_numpy(dtype=float)
        for mix, against in pairs:
            one, other = values.get(mix, {}), values.get(against, {})
            for probe, metric, item_set in sorted(one.keys() | other.keys()):
                is_primary = primary.get(probe) == (metric, item_set)
                x = one.get((probe, metric, item_set), nothing)
                y = other.get((probe, metric, item_set), nothing)
                yield (
                    Contrast(
                        target=str(target),
                        probe=probe,
                        metric=metric,
                        item_set=item_set,
                        mix=mix,
                        against=against,
                        family="primary" if is_primary else "exploratory",
                        seeds_mix=int(np.isfinite(x).sum()),
                        seeds_against=int(np.isfinite(y).sum()),
                    ),
                    (x, y),
                )


def _contrast(contrast: Contrast, measured: Measured, alpha: float) -> Contrast:
    """The contrast with what its values allow, and in `verdict` what they do not."""
    x, y = (values[np.isfinite(values)] for values in measured)
    notes = _missing(contrast, measured)
    if len(x):
        contrast = replace(contrast, mean_mix=float(x.mean()))
    if len(y):
        contrast = replace(contrast, mean_against=float(y.mean()))
    if len(x) and len(y):
        contrast = replace(
            contrast, difference=float(x.mean() - y.mean()), cliffs_delta=cliffs_delta(x, y)
        )
    reason = _undecidable(contrast, x, y)
    if reason:
        return replace(contrast, verdict=" ".join([reason, *notes]))
    result = welch(x, y, alpha)
    smallest = smallest_permutation_p(len(x), len(y))
    if smallest > alpha:
        notes.append(
            f"Cannot be decided by permutation with {_against(len(x), len(y))}; at least "
            f"{seeds_to_permute(alpha)} of each needed."
        )
    for name, values in ((contrast.mix, x), (contrast.against, y)):
        if not _varies(values):
            notes.append(f"All seeds of {name} have the same value; only the other's vary.")
    return replace(
        contrast,
        ci_low=result.low,
        ci_high=result.high,
        hedges_g=hedges_g(x, y),
        p_welch=result.p,
        verdict=" ".join(notes),
    )


def _permuted(found: list[Contrast], measured: list[Measured], alpha: float) -> list[Contrast]:
    """The contrasts with permutation p-values, where so many seeds can reach alpha."""
    groups: dict[tuple[int, int], list[int]] = {}
    for number, contrast in enumerate(found):
        sizes = (contrast.seeds_mix, contrast.seeds_against)
        if contrast.p_welch is not None and smallest_permutation_p(*sizes) <= alpha:
            groups.setdefault(sizes, []).append(number)
    done = list(found)
    for (seeds_mix, _), numbers in groups.items():
        pooled = np.stack(
            [
                np.concatenate([values[np.isfinite(values)] for values in measured[number]])
                for number in numbers
            ]
        )
        for number, p in zip(numbers, _permutation_ps(pooled, seeds_mix), strict=True):
            done[number] = replace(done[number], p_permutation=float(p))
    return done


def _missing(contrast: Contrast, measured: Measured) -> list[str]:
    return [
        f"{missing} of {len(values)} seeds of {name} have no value."
        for name, values in zip((contrast.mix, contrast.against), measured, strict=True)
        if (missing := int((~np.isfinite(values)).sum()))
    ]


def _undecidable(contrast: Contrast, x: Values, y: Values) -> str:
    """Why no test is possible, in a sentence; empty where one is."""
    where = f"{_what(contrast)} under {contrast.mix} against {contrast.against}"
    for name, values in ((contrast.mix, x), (contrast.against, y)):
        if len(values) < 2:
            count = "1 seed" if len(values) else "no seed"
            return (
                f"Cannot be decided: {where}: {name} has {count} with a value, at least 2 needed."
            )
    if not (_varies(x) or _varies(y)):
        return (
            f"Cannot be decided: {where}: no variation over seeds in either, so there is nothing "
            f"to test; every seed differs by {_number(contrast.difference)}."
        )
    return ""


def _decide(
    members: list[Contrast], adjust: Callable[[ArrayLike], Values], alpha: float
) -> list[Contrast]:
    """The members of a family with adjusted p-values and, where they were tested, verdicts."""
    untested = [contrast for contrast in members if contrast.p_welch is None]
    tested = [contrast for contrast in members if contrast.p_welch is not None]
    adjusted = adjust(np.array([contrast.p_welch for contrast in tested], dtype=np.float64))
    return untested + [
        _with_verdict(contrast, float(p), alpha)
        for contrast, p in zip(tested, adjusted, strict=True)
    ]


def _with_verdict(contrast: Contrast, p_adjusted: float, alpha: float) -> Contrast:
    decided = p_adjusted <= alpha
    low, high = contrast.ci_low, contrast.ci_high
    assert contrast.difference is not None and low is not None and high is not None
    numbers = (
        f"difference {_number(contrast.difference)}, {100 * (1 - alpha):g} % interval "
        f"{_number(low)} to {_number(high)}, "
        f"{'Holm' if contrast.family == 'primary' else 'Benjamini-Hochberg'}-adjusted p "
        f"{p_adjusted:.2g}, {_against(contrast.seeds_mix, contrast.seeds_against)}"
    )
    names = f"under {contrast.mix} than under {contrast.against}"
    if decided:
        direction = "higher" if contrast.difference > 0 else "lower"
        sentence = f"{_what(contrast)} is {direction} {names}: {numbers}."
    elif low > 0 or high < 0:
        sentence = (
            f"Not decided whether {_what(contrast)} differs between {contrast.mix} and "
            f"{contrast.against}: {numbers}; the interval alone excludes 0, but not after "
            "adjusting for the number of comparisons."
        )
    else:
        sentence = f"Not decided whether {_what(contrast)} is higher or lower {names}: {numbers}."
    verdict = " ".join(filter(None, [sentence, contrast.verdict]))
    return replace(contrast, p_adjusted=p_adjusted, decided=decided, verdict=verdict)


def _table(rows: list[Contrast]) -> pd.DataFrame:
    names = [field.name for field in fields(Contrast)]
    frame = pd.DataFrame([astuple(row) for row in rows], columns=names)
    types: dict[object, str] = {str: "str", int: "int64", bool: "bool"}
    return frame.astype(
        {field.name: types.get(field.type, "float64") for field in fields(Contrast)}
    )


def _what(contrast: Contrast) -> str:
    return f"{contrast.metric} on {contrast.item_set} of {contrast.target}"


def _against(one: int, other: int) -> str:
    return f"{one} against {other} seeds"


def _number(value: float | None) -> str:
    return f"{value:+.3g}"


def _values(sample: ArrayLike) -> Values:
    return np.asarray(sample, dtype=np.float64)


def _varies(values: Values) -> bool:
    """Whether the values differ by more than the rounding of their last digits."""
    rounding = 8 * float(np.finfo(np.float64).eps) * float(np.abs(values).max())
    return float(np.ptp(values)) > rounding


def _variance(values: Values) -> float:
    """Unbiased variance; exactly 0 where the values differ by rounding only."""
    return float(values.var(ddof=1)) if _varies(values) else 0.0
