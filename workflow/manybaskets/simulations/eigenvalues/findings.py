"""Tables of an eigenvalue study: accuracies, comparisons over seeds, selections and decoding.

Seeds are the unit of replication. The generator and the students of a seed share its matrices, so
that arms are compared within seeds, by Student's t test on their differences.
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
    """Returns the tables accuracy, comparisons, selections, decoding and ranking.

    `records` are the JSON results of all jobs. `published`, with the columns decoding, candidates,
    tolerance and value, is joined to the decoding table.
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


def sentences(spec: Mapping[str, Any], results: Tables) -> list[str]:
    """Returns a summary of the tables at the study's tolerance, one result a line."""
    tolerance = spec["tolerance"]
    lines = [f"Correct answers at a tolerance of {100 * tolerance:g} %:"]
    means = results["accuracy"].query("tolerance == @tolerance").groupby("arm", sort=False)["value"]
    lines += [f"  {arm}: {_interval(values)}" for arm, values in means]
    for row in results["comparisons"].query("tolerance == @tolerance").to_dict("records"):
        lines.append(
            f"  {row['arm']} - {row['against']}: {row['difference']:+.3f} "
            f"[{row['low']:+.3f}, {row['high']:+.3f}], p {row['p']:.3f}"
        )
    ranking = results["ranking"].iloc[0]
    lines.append(f"p* and accuracy: {in_words(ranking)}")
    return lines


def in_words(ranking: Mapping[str, Any]) -> str:
    """Returns a rank correlation in words, or the reason why it is undefined."""
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
    order = {arm: number for number, arm in enumerate([GENERATOR, *spec["arms"]])}
    return table.sort_values(
        ["arm", "seed", "tolerance"], key=lambda c: c.map(order) if c.name == "arm" else c,
        ignore_index=True,
    )  # fmt: skip


def _best_step(curve: Sequence[Mapping[str, Any]]) -> int | None:
    return min(curve, key=lambda point: point["validation"])["step"] if curve else None


def _comparisons(spec: Mapping[str, Any], accuracy: pd.DataFrame) -> pd.DataFrame:
    """Returns comparisons of every arm with the generator and with the arm that is its control."""
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
    """Returns the mean, its 95 % interval and the p-value for a mean of 0 (Student's t test).

    Interval and p-value are NaN for fewer than two seeds.
    """
    mean = float(np.mean(values)) if len(values) else math.nan
    if len(values) < 2:
        return mean, math.nan, math.nan, math.nan
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    margin = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, len(values) - 1)) if error else math.nan
    return mean, mean - margin, mean + margin, p


def _selections(spec: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Returns each arm's p, phi, psi and p*, measured on labels outside the training sets."""
    columns = ["arm", "seed", "kept_share", "rows", "p", "phi", "psi", "p_star", "low", "high"]
    order = {arm: number for number, arm in enumerate(spec["arms"])}
    records = sorted(records, key=lambda record: (order[record["arm"]], record["seed"]))
    rows = [{**record, **record["selection"]} for record in records]
    return pd.DataFrame(rows, columns=[*columns, "note"])


def _decoding(records: Sequence[Mapping[str, Any]], published: pd.DataFrame | None) -> pd.DataFrame:
    """Returns the generators' accuracy by method of decoding, with published values."""
    rows = [
        {"decoding": method["decoding"], "candidates": method["candidates"]}
        | {"seed": record["seed"], "tolerance": float(tolerance), "value": value}
        for record in records
        for method in record["decoding"]
        for tolerance, value in method["accuracy"].items()
    ]
    table = pd.DataFrame(rows, columns=["decoding", "candidates", "seed", "tolerance", "value"])
    if published is not None:
        keys = ["decoding", "candidates", "tolerance"]
        values = published[[*keys, "value"]].rename(columns={"value": "published"})
        table = table.merge(values, on=keys, how="left")
    return table


def _ranking(
    spec: Mapping[str, Any], accuracy: pd.DataFrame, selections: pd.DataFrame
) -> pd.DataFrame:
    """Returns Spearman's correlation of p* and accuracy over arms with a p* (means over seeds)."""
    at = accuracy[accuracy["tolerance"] == spec["tolerance"]]
    both = pd.DataFrame(
        {
            "p_star": selections.groupby("arm")["p_star"].mean(),
            "accuracy": at.groupby("arm")["value"].mean(),
        }
    ).dropna()
    correlation: RankCorrelation = rank_correlation(both["p_star"], both["accuracy"])
    return pd.DataFrame([correlation._asdict()])


def _interval(values: Any) -> str:
    mean, low, high, _ = over_seeds(np.asarray(values, dtype=float))
    return f"{mean:.3f}" + ("" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]")
