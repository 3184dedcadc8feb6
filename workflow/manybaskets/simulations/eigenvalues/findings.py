"""Tables of a study of eigenvalues: accuracies, comparisons over seeds, selections, decoding.

Seeds are the unit of replication: a seed's generator and students share its matrices, so arms are
compared within seeds, by Student's t over their differences.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from manybaskets.findings.rank_correlation import RankCorrelation, rank_correlation

LEVEL = 0.95
GENERATOR = "generator"
Tables = dict[str, pd.DataFrame]


def tables(
    spec: Mapping[str, Any], records: Sequence[Mapping[str, Any]],
    published: pd.DataFrame | None = None,
) -> Tables:  # fmt: skip
    """accuracy (an arm × seed × tolerance a row), comparisons, selections, decoding.

    `records` are what the jobs wrote. `published` has decoding, candidates, tolerance and value.
    """
    accuracy = _accuracy(spec, [record for record in records if "accuracy" in record])
    selections = _selections(spec, [record for record in records if "selection" in record])
    decoding = _decoding([record for record in records if "decoding" in record], published)
    return {
        "accuracy": accuracy,
        "comparisons": _comparisons(spec, accuracy),
        "selections": selections,
        "decoding": decoding,
        "ranking": _ranking(spec, accuracy, selections),
    }


def sentences(spec: Mapping[str, Any], found: Tables) -> list[str]:
    """What the tables say at the study's tolerance, a line each."""
    tolerance = spec["tolerance"]
    lines = [f"Right answers at a tolerance of {100 * tolerance:g} %:"]
    means = found["accuracy"].query("tolerance == @tolerance").groupby("arm", sort=False)["value"]
    lines += [f"  {arm}: {_interval(values)}" for arm, values in means]
    for row in found["comparisons"].query("tolerance == @tolerance").to_dict("records"):
        lines.append(
            f"  {row['arm']} - {row['against']}: {row['difference']:+.3f} "
            f"[{row['low']:+.3f}, {row['high']:+.3f}], p {row['p']:.3f}"
        )
    ranking = found["ranking"].iloc[0]
    lines.append(f"p* and accuracy: {in_words(ranking)}")
    return lines


def in_words(ranking: Mapping[str, Any]) -> str:
    """A rank correlation as a sentence's end."""
    if pd.isna(ranking["rho"]):
        return str(ranking["note"])
    return (
        f"Spearman's rho {ranking['rho']:.2f} over {int(ranking['n'])} arms, p = {ranking['p']:.3g}"
    )


def _accuracy(spec: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    rows = [
        {
            "arm": record.get("arm", GENERATOR),
            "seed": record["seed"],
            "tolerance": float(tolerance),
            "value": value,
            "undecodable": record["undecodable"],
            "rows": record.get("rows"),
            "label_accuracy": record.get("label_accuracy", {}).get(tolerance),
            "stopped_at": _best_step(record["curve"]),
            "note": record.get("note", ""),
        }
        for record in records
        for tolerance, value in record["accuracy"].items()
    ]
    columns = ["arm", "seed", "tolerance", "value", "undecodable", "rows", "label_accuracy"]
    table = pd.DataFrame(rows, columns=[*columns, "stopped_at", "note"]).astype(
        {"rows": "Int64", "stopped_at": "Int64", "value": float}
    )
    order = {arm: place for place, arm in enumerate([GENERATOR, *spec["arms"]])}
    return table.sort_values(
        ["arm", "seed", "tolerance"], key=lambda c: c.map(order) if c.name == "arm" else c,
        ignore_index=True,
    )  # fmt: skip


def _best_step(curve: Sequence[Mapping[str, Any]]) -> int | None:
    return min(curve, key=lambda point: point["validation"])["step"] if curve else None


def _comparisons(spec: Mapping[str, Any], accuracy: pd.DataFrame) -> pd.DataFrame:
    """Every arm against the generator of its seed, and against the arm that is its control."""
    values = accuracy.set_index(["arm", "tolerance", "seed"])["value"].sort_index()
    pairs = [(arm, GENERATOR) for arm in spec["arms"]] + list(spec["controls"].items())
    rows = []
    for tolerance in sorted(accuracy["tolerance"].unique()):
        for arm, against in pairs:
            differences = (values[arm, tolerance] - values[against, tolerance]).dropna()
            mean, low, high, p = over_seeds(differences.to_numpy(dtype=float))
            rows.append(
                {"arm": arm, "against": against, "tolerance": tolerance}
                | {"seeds": len(differences), "difference": mean, "low": low, "high": high, "p": p}
            )
    return pd.DataFrame(rows)


def over_seeds(values: Any) -> tuple[float, float, float, float]:
    """Mean, its 95 % interval and the p-value of a mean of 0 (Student's t); NaN with one seed."""
    mean = float(np.mean(values)) if len(values) else math.nan
    if len(values) < 2:
        return mean, math.nan, math.nan, math.nan
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    margin = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, len(values) - 1)) if error else math.nan
    return mean, mean - margin, mean + margin, p


def _selections(spec: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What each arm did to right and wrong labels, on labels that no student was trained on."""
    columns = ["arm", "seed", "kept_share", "rows", "p", "phi", "psi", "p_star", "low", "high"]
    order = {arm: place for place, arm in enumerate(spec["arms"])}
    records = sorted(records, key=lambda record: (order[record["arm"]], record["seed"]))
    rows = [{**record, **record["selection"]} for record in records]
    return pd.DataFrame(rows, columns=[*columns, "note"])


def _decoding(records: Sequence[Mapping[str, Any]], published: pd.DataFrame | None) -> pd.DataFrame:
    """Accuracy of the generators by how their answers are got, and what was published for it."""
    rows = [
        {"decoding": one["decoding"], "candidates": one["candidates"], "seed": record["seed"]}
        | {"tolerance": float(tolerance), "value": value}
        for record in records
        for one in record["decoding"]
        for tolerance, value in one["accuracy"].items()
    ]
    table = pd.DataFrame(rows, columns=["decoding", "candidates", "seed", "tolerance", "value"])
    if published is not None:
        keys = ["decoding", "candidates", "tolerance"]
        known = published[[*keys, "value"]].rename(columns={"value": "published"})
        table = table.merge(known, on=keys, how="left")
    return table


def _ranking(
    spec: Mapping[str, Any], accuracy: pd.DataFrame, selections: pd.DataFrame
) -> pd.DataFrame:
    """Spearman's correlation of p* with accuracy over the arms that have one (means of seeds)."""
    at = accuracy[accuracy["tolerance"] == spec["tolerance"]]
    both = pd.DataFrame(
        {
            "p_star": selections.groupby("arm")["p_star"].mean(),
            "accuracy": at.groupby("arm")["value"].mean(),
        }
    ).dropna()
    found: RankCorrelation = rank_correlation(both["p_star"], both["accuracy"])
    return pd.DataFrame([found._asdict()])


def _interval(values: Any) -> str:
    mean, low, high, _ = over_seeds(np.asarray(values, dtype=float))
    return f"{mean:.3f}" + ("" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]")
