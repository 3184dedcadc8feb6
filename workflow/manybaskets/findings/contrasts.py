"""Contrasts: two mixes of a target compared over their seeds, from the table of measurements.

Seeds are the unit of replication: one value per seed, prompts stay inside it. Tests that pool the
prompts of one run call 35 to 44 % of differences real where there is none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from manybaskets.findings import sentences
from manybaskets.findings.bootstrap import ByItem, two_way
from manybaskets.findings.per_prompt import Items, Key, Table, by_item
from manybaskets.findings.rows import to_frame
from manybaskets.findings.two_sample import (
    Values,
    benjamini_hochberg,
    cliffs_delta,
    equivalence_p,
    hedges_g,
    holm,
    permutation_ps,
    seeds_to_permute,
    smallest_permutation_p,
    varies,
    welch,
)
from manybaskets.metrics.measurement import last_generation


@dataclass(frozen=True)
class Contrast:
    """One metric of one target under `mix` compared with the same under `against`.

    Means, difference and interval are in the unit of the metric; the difference is mix minus
    against, `direction` its sign as "higher" or "lower". A value that could not be computed is
    None. `ci_low` to `ci_high` is Welch's interval over seeds, `ci_prompts_low` to
    `ci_prompts_high` that over seeds and prompts, where there are values of single `prompts`.

    `decided` is whether the adjusted p-value of Welch's test reaches alpha; `equivalent` whether
    the difference was shown to lie within ±`margin`, where one was given, by two one-sided tests,
    Holm-adjusted over all contrasts of the family with a margin. `reason` is why no test is
    possible, empty where there is one; `notes` are further sentences, and `verdict` is all of it
    in words.
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
    direction: str = ""
    ci_low: float | None = None
    ci_high: float | None = None
    prompts: int = 0
    ci_prompts_low: float | None = None
    ci_prompts_high: float | None = None
    hedges_g: float | None = None
    cliffs_delta: float | None = None
    p_welch: float | None = None
    p_permutation: float | None = None
    p_adjusted: float | None = None
    decided: bool = False
    margin: float | None = None
    p_equivalence: float | None = None
    equivalent: bool = False
    reason: str = ""
    notes: tuple[str, ...] = ()
    verdict: str = ""

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval over seeds, which is not adjusted, excludes 0."""
        low, high = self.ci_low, self.ci_high
        return low is not None and high is not None and (low > 0 or high < 0)


def contrasts(
    measurements: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    primary: Mapping[str, tuple[str, str]],
    alpha: float = 0.05,
    items: Table | None = None,
    margins: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Every metric of every target compared between the two mixes of every pair.

    `measurements` is the table of one study from `measurement.gather`, `pairs` are (mix, against),
    `primary` names for each probe the (metric, item_set) that was chosen before the run; it forms
    the primary family, everything else the exploratory one. P-values of Welch's
    test are adjusted over all contrasts of a family: Holm in the primary, Benjamini-Hochberg in
    the exploratory. Intervals have the level 1 - alpha and are not adjusted. `items` are the
    values of single prompts of the same study, `margins` by "metric@item set" the largest
    difference that counts as equivalent. A mix with several generations is compared at its last
    one. A target that has neither mix of a pair, or a metric that was measured under neither, has
    no row.

    Returns a table with the fields of Contrast as columns, in the order of target, pair, family
    (primary first), probe, metric and item set.

    Raises ValueError for measurements of several studies, for a mix in `pairs` or a primary metric
    of a measured probe without measurements, and for an alpha outside 0 to 1.
    """
    _check(measurements, pairs, primary, alpha)
    last = last_generation(measurements)
    planned = list(_planned(last, pairs, primary, margins or {}))
    computed = _permuted(
        [_contrast(contrast, measured, alpha) for contrast, measured in planned],
        [measured for _, measured in planned],
        alpha,
    )
    if items is not None:
        computed = _over_prompts(computed, last, items, alpha)
    rows = []
    for family, adjust in (("primary", holm), ("exploratory", benjamini_hochberg)):
        members = [contrast for contrast in computed if contrast.family == family]
        rows += _decide(members, adjust, alpha)
    rows = [replace(row, verdict=sentences.contrast_verdict(row, alpha)) for row in rows]
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
    return to_frame(rows, Contrast)


def _check(
    measurements: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    primary: Mapping[str, tuple[str, str]],
    alpha: float,
) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}, but must be between 0 and 1.")
    studies = measurements["study"].unique()
    if len(studies) > 1:
        raise ValueError(
            f"the measurements are of several studies ({', '.join(sorted(studies))}). Compare "
            "mixes of one study at a time."
        )
    mixes = set(measurements["mix"])
    for mix in sorted({mix for pair in pairs for mix in pair} - mixes):
        raise ValueError(
            f"there are no measurements of the mix '{mix}', only of {', '.join(sorted(mixes))}. "
            "Correct the pair of mixes."
        )
    for probe, (metric, item_set) in primary.items():
        measured = measurements.loc[measurements["probe"] == probe, ["metric", "item_set"]]
        available = set(measured.itertuples(index=False, name=None))
        if available and (metric, item_set) not in available:
            raise ValueError(
                f"the primary metric of {probe} is {metric} on '{item_set}', which was not "
                "measured. Name one of "
                + ", ".join(f"{name} on '{on}'" for name, on in sorted(available))
            )


Measured = tuple[Values, Values]


def _planned(
    measurements: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    primary: Mapping[str, tuple[str, str]],
    margins: Mapping[str, float],
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
                        margin=margins.get(f"{metric}@{item_set}"),
                    ),
                    (x, y),
                )


def _contrast(contrast: Contrast, measured: Measured, alpha: float) -> Contrast:
    """The contrast with all that its values allow to compute; the notes name the rest."""
    x, y = (values[np.isfinite(values)] for values in measured)
    notes = _missing(contrast, measured)
    if len(x):
        contrast = replace(contrast, mean_mix=float(x.mean()))
    if len(y):
        contrast = replace(contrast, mean_against=float(y.mean()))
    if len(x) and len(y):
        difference = float(x.mean() - y.mean())
        contrast = replace(
            contrast,
            difference=difference,
            direction="higher" if difference > 0 else "lower" if difference < 0 else "",
            cliffs_delta=cliffs_delta(x, y),
        )
    reason = _undecidable(contrast, x, y)
    if reason:
        return replace(contrast, reason=reason, notes=tuple(notes))
    result = welch(x, y, alpha)
    smallest = smallest_permutation_p(len(x), len(y))
    if smallest > alpha:
        notes.append(
            f"Cannot be decided by permutation with {sentences.against_seeds(len(x), len(y))}; "
            f"at least {seeds_to_permute(alpha)} of each needed."
        )
    for name, values in ((contrast.mix, x), (contrast.against, y)):
        if not varies(values):
            notes.append(f"All seeds of {name} have the same value; only the other's vary.")
    return replace(
        contrast,
        ci_low=result.low,
        ci_high=result.high,
        hedges_g=hedges_g(x, y),
        p_welch=result.p,
        p_equivalence=equivalence_p(x, y, contrast.margin) if contrast.margin else None,
        notes=tuple(notes),
    )


def _permuted(contrasts: list[Contrast], measured: list[Measured], alpha: float) -> list[Contrast]:
    """The contrasts with permutation p-values, where so many seeds can reach alpha."""
    groups: dict[tuple[int, int], list[int]] = {}
    for number, contrast in enumerate(contrasts):
        sizes = (contrast.seeds_mix, contrast.seeds_against)
        if contrast.p_welch is not None and smallest_permutation_p(*sizes) <= alpha:
            groups.setdefault(sizes, []).append(number)
    done = list(contrasts)
    for (seeds_mix, _), numbers in groups.items():
        pooled = np.stack(
            [
                np.concatenate([values[np.isfinite(values)] for values in measured[number]])
                for number in numbers
            ]
        )
        for number, p in zip(numbers, permutation_ps(pooled, seeds_mix), strict=True):
            done[number] = replace(done[number], p_permutation=float(p))
    return done


def _over_prompts(
    contrasts: list[Contrast], last: pd.DataFrame, items: Table, alpha: float
) -> list[Contrast]:
    """The contrasts with intervals over seeds and prompts, where there are values of prompts."""
    seeds: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    valued = last[last["value"].notna()]
    columns = ["target", "mix", "probe", "metric", "item_set", "seed", "generation"]
    for *which, seed, generation in valued[columns].itertuples(index=False, name=None):
        seeds.setdefault(tuple(which), []).append((seed, 0 if pd.isna(generation) else generation))
    conditions: dict[tuple[str, ...], list[Items | None]] = {}
    for which, of_seeds in seeds.items():
        target, mix, *metric = which
        conditions[which] = [
            items.get(Key(target, mix, *of_seed, *metric)) for of_seed in sorted(of_seeds)
        ]
    aligned = _aligned(conditions)
    done = []
    for contrast in contrasts:
        metric = [contrast.probe, contrast.metric, contrast.item_set]
        x, y = (
            aligned.get((contrast.target, m, *metric)) for m in (contrast.mix, contrast.against)
        )
        if contrast.p_welch is None:
            done.append(contrast)
        elif x is None or y is None or x.amounts.shape[1] != y.amounts.shape[1]:
            note = "There are no values of single prompts, so the interval is over seeds alone."
            done.append(replace(contrast, notes=(*contrast.notes, note)))
        else:
            interval = two_way(x, y, alpha)
            assert contrast.difference is not None
            shift = contrast.difference - interval.difference  # of prompts that not all seeds have
            done.append(
                replace(
                    contrast,
                    prompts=x.amounts.shape[1],
                    ci_prompts_low=interval.low + shift,
                    ci_prompts_high=interval.high + shift,
                )
            )
    return done


def _aligned(
    conditions: Mapping[tuple[str, ...], Sequence[Items | None]],
) -> dict[tuple[str, ...], ByItem]:
    """Every condition on the prompts that all conditions of its target and metric share."""
    groups: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for which, of_seeds in conditions.items():
        if all(one is not None for one in of_seeds):
            groups.setdefault((which[0], *which[2:]), []).append(which)
    aligned: dict[tuple[str, ...], ByItem] = {}
    for members in groups.values():
        matrices = by_item([conditions[which] for which in members])
        if matrices is not None:
            aligned |= zip(members, matrices, strict=True)
    return aligned


def _missing(contrast: Contrast, measured: Measured) -> list[str]:
    return [
        f"{missing} of {len(values)} seeds of {name} have no value."
        for name, values in zip((contrast.mix, contrast.against), measured, strict=True)
        if (missing := int((~np.isfinite(values)).sum()))
    ]


def _undecidable(contrast: Contrast, x: Values, y: Values) -> str:
    """Why no test is possible; empty where one is."""
    for name, values in ((contrast.mix, x), (contrast.against, y)):
        if len(values) < 2:
            count = "1 seed" if len(values) else "no seed"
            return f"{name} has {count} with a value, at least 2 needed"
    if not (varies(x) or varies(y)):
        return (
            "no variation over seeds in either, so there is nothing to test; every seed differs "
            f"by {sentences.number(contrast.difference)}"
        )
    return ""


def _decide(
    members: list[Contrast], adjust: Callable[[ArrayLike], Values], alpha: float
) -> list[Contrast]:
    """The members of a family, with adjusted p-values where they were tested."""
    untested = [contrast for contrast in members if contrast.p_welch is None]
    tested = [contrast for contrast in members if contrast.p_welch is not None]
    adjusted = adjust(np.array([contrast.p_welch for contrast in tested], dtype=np.float64))
    bounded = [contrast.p_equivalence for contrast in tested if contrast.p_equivalence is not None]
    within = iter(holm(bounded) <= alpha)
    return untested + [
        replace(
            contrast,
            p_adjusted=float(p),
            decided=bool(p <= alpha),
            equivalent=contrast.p_equivalence is not None and bool(next(within)),
        )
        for contrast, p in zip(tested, adjusted, strict=True)
    ]
