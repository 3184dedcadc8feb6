"""Verifier quality: the shares of right and wrong rows that it keeps, and the breakdown point p*.

phi and psi are the probabilities of keeping a right and a wrong row, p is the share of wrong ones
before selection. With infinite data a model trained on what was kept recovers the truth where
p < p* = 1 / (1 + psi / phi), and its opposite where p > p* (Feng et al. 2024, arXiv 2406.07515,
theorem 4.2, for a Gaussian mixture). On language p* is a proxy by which selections are ranked.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.measurement import Measurement
from manybaskets.selection.rows import USABLE

PROBE = "selection"
QUANTILES = (50, 75, 90)  # of graded agreement: a row is right from there on
RESAMPLES = 2_000
LEVEL = 0.95

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Proxy:
    """phi, psi, p and p*, with p*'s 95 % interval; None where it cannot be estimated."""

    phi: float | None
    psi: float | None
    p: float
    p_star: float | None
    low: float | None
    high: float | None
    note: str = ""


def breakdown_point(phi: float, psi: float) -> float:
    """p* = phi / (phi + psi), from 0 to 1; raises ValueError where nothing is kept."""
    if phi + psi <= 0:
        raise ValueError("a verifier that keeps nothing has no breakdown point")
    return phi / (phi + psi)


def right_rows(agreements: Sequence[float | None], metric: str) -> dict[str, tuple[Flags, Flags]]:
    """(right, labelled) by item set, both of shape (rows,).

    An exact metric has one item set; with a graded one, rows are right from a
    quantile of the agreements of the source's own responses upwards, if above 0.
    """
    labelled = np.array([value is not None for value in agreements], dtype=bool)
    values = np.array([value or 0.0 for value in agreements])
    if metric == "answer" or not labelled.any():
        return {metric: (values >= 1, labelled)}
    item_sets = {}
    for quantile in QUANTILES:
        threshold = np.percentile(values[labelled], quantile)
        right = labelled & (values >= threshold) & (values > 0)
        item_sets[f"{metric} from p{quantile}"] = right, labelled
    return item_sets


def proxy(kept: Flags, right: Flags, prompts: Sequence[Any], seed: int) -> Proxy:
    """phi, psi, p and p* of rows.

    `kept`, `right` and `prompts` have the shape (rows,): flags, and the prompt of each row. p is
    the share of wrong rows; phi and psi are the shares of right and of wrong rows that were kept.
    The interval is the percentile bootstrap over prompts. Where no wrong row (or no right row) was
    kept, it ends at the Wilson limit of that probability instead, since all resamples would agree.
    """
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    p = n_wrong / len(right)
    phi = float(kept[right].mean()) if n_right else None
    psi = float(kept[~right].mean()) if n_wrong else None
    if phi is None or psi is None:
        which = "right" if phi is None else "wrong"
        return Proxy(phi, psi, p, None, None, None, f"no row is {which}, so p* is not defined")
    if phi + psi == 0:
        return Proxy(phi, psi, p, None, None, None, "nothing was kept, so p* is not defined")
    p_star, note = breakdown_point(phi, psi), ""
    if psi == 0:
        low, high = breakdown_point(phi, _wilson_upper(n_wrong)), 1.0
        note = f"none of {n_wrong} wrong rows was kept; the interval ends at Wilson's limit"
    elif phi == 0:
        low, high = 0.0, breakdown_point(_wilson_upper(n_right), psi)
        note = f"none of {n_right} right rows was kept; the interval ends at Wilson's limit"
    else:
        low, high = _bootstrap(kept, right, prompts, seed)
    return Proxy(phi, psi, p, p_star, low, high, note)


def measured(
    rows: Sequence[Mapping[str, Any]],
    passed: Sequence[bool],
    held_out: Sequence[bool],
    agreements: Sequence[float | None],
    metric: str,
    seed: int,
) -> list[Measurement]:
    """Returns the measurements of one selected mix: the share of its pool that passed, and p*.

    `passed` are the decisions that made the training set, `held_out` those with cut-offs set on
    other prompts; phi, psi, p and p* are of the latter. Unusable responses are in the pool and in
    no other measurement.
    """
    usable = np.array([row["state"] in USABLE for row in rows])
    unscored = sum(row["score"] is None for row in rows)
    pool = float(np.mean(passed)) if rows else None
    measurements = [
        _measurement("kept_share", "pool", pool, len(rows), unscored, "the pool is empty")
    ]
    sets = right_rows([a if ok else None for a, ok in zip(agreements, usable, strict=True)], metric)
    for name, (right, labelled) in sets.items():
        excluded = int((~labelled).sum())
        if not labelled.any():
            note = "no response has a human reference that it can be checked against"
            measurements.append(_measurement("p_star", name, None, 0, excluded, note))
            continue
        prompts = [(r["origin"], r["id"]) for r, ok in zip(rows, labelled, strict=True) if ok]
        of_rule = proxy(np.array(held_out)[labelled], right[labelled], prompts, seed)
        measurements += _precision_recall(name, np.array(passed)[labelled], right[labelled])
        measurements += _breakdown(name, of_rule, right[labelled], excluded)
    return measurements


def _precision_recall(item_set: str, kept: Flags, right: Flags) -> list[Measurement]:
    """Precision and recall of the decisions that made the training set; arrays of shape (rows,)."""
    precision = float(right[kept].mean()) if kept.any() else None
    recall = float(kept[right].mean()) if right.any() else None
    n_kept, n_right = int(kept.sum()), int(right.sum())
    return [
        _measurement("selection_precision", item_set, precision, n_kept, 0, "nothing was kept"),
        _measurement("selection_recall", item_set, recall, n_right, 0, "no row is right"),
    ]


def _breakdown(item_set: str, of_rule: Proxy, right: Flags, excluded: int) -> list[Measurement]:
    """p, phi, psi and p* with its interval, and the margin p* - p."""
    n, n_right, n_wrong = len(right), int(right.sum()), int((~right).sum())
    measurements = [
        _measurement("error_rate", item_set, of_rule.p, n, excluded, ""),
        _measurement("keep_right", item_set, of_rule.phi, n_right, 0, "no row is right"),
        _measurement("keep_wrong", item_set, of_rule.psi, n_wrong, 0, "no row is wrong"),
    ]
    for key, value in (
        ("p_star", of_rule.p_star),
        ("p_star_low", of_rule.low),
        ("p_star_high", of_rule.high),
        ("p_star_margin", None if of_rule.p_star is None else of_rule.p_star - of_rule.p),
    ):
        note = of_rule.note if key == "p_star" or value is None else ""
        measurements.append(Measurement(PROBE, key, item_set, value, n, excluded, note))
    return measurements


def _measurement(
    metric: str, items: str, value: float | None, n: int, excluded: int, why_not: str
) -> Measurement:
    return Measurement(PROBE, metric, items, value, n, excluded, why_not if value is None else "")


def _bootstrap(kept: Flags, right: Flags, prompts: Sequence[Any], seed: int) -> tuple[float, float]:
    """Returns the percentile interval of p* over resampled prompts, their rows together."""
    places = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    group = np.array([places[prompt] for prompt in prompts])
    counts = np.stack(
        [
            np.bincount(group, weights=which, minlength=len(places))
            for which in (right, right & kept, ~right, ~right & kept)
        ],
        axis=1,
    )
    rng = np.random.default_rng(seed)
    breakdown_points = []
    for _ in range(RESAMPLES):
        drawn = np.bincount(rng.integers(len(places), size=len(places)), minlength=len(places))
        n_right, kept_right, n_wrong, kept_wrong = drawn @ counts
        if n_right and n_wrong and kept_right + kept_wrong:
            breakdown_points.append(breakdown_point(kept_right / n_right, kept_wrong / n_wrong))
    low, high = np.quantile(breakdown_points, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _wilson_upper(n: int) -> float:
    """Upper limit of Wilson's interval of a probability, after no success in n trials."""
    from scipy import stats

    if n == 0:
        return math.nan
    return float(stats.binomtest(0, n).proportion_ci(LEVEL, method="wilson").high)
