"""Two studies side by side, or a study and published numbers: which conclusions agree.

A conclusion is a contrast: which of two mixes has more of a metric. Published numbers are one value
per condition: they give a direction, and where their unit is ours a size, but no uncertainty.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from manybaskets.data.tables.formats import read_table
from manybaskets.data.tables.values import text_of
from manybaskets.files import InputError

CONTRASTS = Path("findings/contrasts.csv")
KEY = ("probe", "metric", "item_set", "mix", "against")
TEXT = ("target", *KEY, "family", "verdict")
PUBLISHED = (
    *("target", "mix", "probe", "metric", "item_set", "sign", "unit", "value"),
    *("quantity", "source"),
)
CONCLUSION = ("target", "difference", "ci_low", "ci_high", "decided", "family")
SAME_UNIT = "same"  # a published value in the unit of our metric; of others only the sign counts
EFFECTS = (
    *("target", *KEY, "published", "difference", "ci_low", "ci_high", "same_sign", "inside"),
    *("primary", "words", "quantity", "source"),
)
AGREE, CONTRADICT, OPEN = "agree", "contradict", "open"


def read(place: Path) -> pd.DataFrame:
    """The conclusions of a study's folder of results, of a contrasts.csv, or of published numbers.

    Columns target, KEY, difference, ci_low, ci_high, decided, published. Raises InputError for
    any other file.
    """
    path = place / CONTRASTS if place.is_dir() else place
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such file. Give the results of a study (results/<study>), its "
            "contrasts.csv, or a table of resources/reference/."
        )
    frame = _texts(path)
    if set(PUBLISHED) <= set(frame.columns):
        return _published(path, frame)
    if missing := sorted({*CONCLUSION, *KEY} - set(frame.columns)):
        raise InputError(
            f"{path}: neither contrasts (there is no {', '.join(missing)}) nor published numbers "
            f"(columns {', '.join(PUBLISHED)})."
        )
    for name in ("difference", "ci_low", "ci_high"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    frame["decided"] = frame["decided"] == "True"
    return own(frame)


def _texts(path: Path) -> pd.DataFrame:
    """Returns the cells of a table as texts; raises InputError for a table that is not rectangular.

    A study without contrasts has a table of headings only.
    """
    headings = path.read_bytes()[:10_000].splitlines()
    if len(headings) == 1 and not path.read_bytes()[len(headings[0]) :].strip():
        return pd.DataFrame(columns=headings[0].decode("utf-8", "replace").split(","), dtype=str)
    rows = read_table(path)
    return pd.DataFrame(
        [
            {
                name: text_of(value, f"{path}, line {row.number}, {name[:100]}")
                for name, value in row.fields.items()
            }
            for row in rows
        ]
    )


def own(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Contrasts of a study in the form that is compared."""
    primary = contrasts["family"] == "primary"
    return contrasts.assign(
        primary=primary, published=False, unit=SAME_UNIT, quantity="", source=""
    )


def compare(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Every contrast that both have, and whether their conclusions agree.

    Targets of the same name are compared; where the two share no name, every target with every.
    `conclusion` is "agree" or "contradict" where both are decided (published numbers count as
    decided), else "open". Between two studies `between` is the difference of the two differences
    with its interval (Zou and Donner 2008: from the intervals of both), and `differ` is whether
    that excludes 0: two studies may agree in direction and still differ in size.
    """
    one, other = (_both_ways(frame) for frame in (one, other))
    shared = set(one["target"]) & set(other["target"])
    keys = [*KEY, "target"] if shared else list(KEY)
    # each contrast once, in the direction in which the first study declares it
    one = one[~one["mirrored"]]
    both = one.merge(other, on=keys, suffixes=("_a", "_b"))
    for name in ("a", "b"):
        if shared:
            both[f"target_{name}"] = both["target"]
    rows = [_row(row) for row in both.to_dict("records")]
    columns = ["target_a", "target_b", *KEY, "difference_a", "difference_b", "conclusion"]
    columns += ["between", "between_low", "between_high", "differ", "primary", "words"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(
        ["primary", *columns[:7]], ascending=[False] + [True] * 7, kind="stable", ignore_index=True
    )


def effects(
    contrasts: pd.DataFrame,
    published: pd.DataFrame,
    targets: Mapping[str, str] | None = None,
    mixes: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Every published effect that a study has a contrast of, in the study's direction.

    `contrasts` and `published` as from `read`; `targets` and `mixes` map names of the study to
    those in the table of published numbers, where they differ. Columns EFFECTS. `same_sign`:
    whether both differences have one sign; `inside`: whether the published one is in the study's
    interval, where it has one and the unit is the same. Either is missing where it is not defined.
    A published number of a related metric is left out where the study has the same metric.
    """
    theirs = _renamed(_renamed(published, ["target"], targets), ["mix", "against"], mixes)
    known = _both_ways(theirs).drop(columns=["primary", "published", "decided", "mirrored"])
    both = contrasts.merge(known, on=["target", *KEY], suffixes=("", "_published"))
    same = both["unit_published"] == SAME_UNIT
    number = ["target", "mix", "against", "quantity_published"]
    valued = both.loc[same & both["difference"].notna(), number].itertuples(index=False)
    own = {tuple(row) for row in valued}
    is_related = [tuple(row) in own for row in both[number].itertuples(index=False)]
    both = both[same | ~np.array(is_related, dtype=bool)]
    rows = [_effect(row) for row in both.to_dict("records")]
    frame = pd.DataFrame(rows, columns=list(EFFECTS))
    order = ["primary", "target", *KEY]
    ascending = [name != "primary" for name in order]
    return frame.sort_values(order, ascending=ascending, kind="stable", ignore_index=True)


def _effect(row: dict[Any, Any]) -> dict[str, Any]:
    ours, theirs = row["difference"], row["difference_published"]
    low, high = row["ci_low"], row["ci_high"]
    same_sign: bool | None = None
    inside: bool | None = None
    if math.isnan(ours):
        words = "no value here"
    else:
        same_sign = bool(np.sign(ours) == np.sign(theirs))
        words = "same sign" if same_sign else "opposite sign"
        if row["unit_published"] != SAME_UNIT:
            words += ", another unit"
        elif math.isnan(low) or math.isnan(high):
            words += ", no interval"
        else:
            inside = bool(low <= theirs <= high)
            words += f", {'inside' if inside else 'outside'} the interval"
    named = {name: row[name] for name in ("target", *KEY, "difference", "ci_low", "ci_high")}
    return named | {
        "published": theirs,
        "same_sign": same_sign,
        "inside": inside,
        "primary": bool(row["primary"]),
        "words": words,
        "quantity": row["quantity_published"],
        "source": row["source_published"],
    }


def _renamed(
    published: pd.DataFrame, columns: list[str], ours: Mapping[str, str] | None
) -> pd.DataFrame:
    """Published contrasts under the study's names, one row for each name."""
    names: dict[str, list[str]] = {}
    for name, theirs in (ours or {}).items():
        names.setdefault(theirs, []).append(name)
    for column in columns:
        called = published[column].map(lambda name: names.get(name, [name]))
        published = published.assign(**{column: called}).explode(column, ignore_index=True)
    return published


def _row(row: dict[Any, Any]) -> dict[str, Any]:
    known = {name: row[name] for name in ("target_a", "target_b", *KEY)}
    differences = row["difference_a"], row["difference_b"]
    decided = row["decided_a"] and row["decided_b"]
    if any(map(math.isnan, differences)) or not decided:
        conclusion = OPEN
    else:
        conclusion = AGREE if differences[0] * differences[1] > 0 else CONTRADICT
    between, low, high = _between(row)
    return known | {
        "difference_a": differences[0],
        "difference_b": differences[1],
        "conclusion": conclusion,
        "between": between,
        "between_low": low,
        "between_high": high,
        "differ": bool(low > 0 or high < 0),
        "primary": bool(row["primary_a"] or row["primary_b"]),
        "words": _words(row, conclusion),
    }


def _between(row: dict[Any, Any]) -> tuple[float, float, float]:
    if row["published_a"] or row["published_b"]:
        return math.nan, math.nan, math.nan
    one, other = row["difference_a"], row["difference_b"]
    below = math.hypot(one - row["ci_low_a"], row["ci_high_b"] - other)
    above = math.hypot(row["ci_high_a"] - one, other - row["ci_low_b"])
    return one - other, one - other - below, one - other + above


def _words(row: dict[Any, Any], conclusion: str) -> str:
    sides = []
    for name in ("a", "b"):
        difference = row[f"difference_{name}"]
        if math.isnan(difference):
            sides.append("no value")
            continue
        direction = "higher" if difference > 0 else "lower" if difference < 0 else "the same"
        sides.append(direction if row[f"decided_{name}"] else f"not decided ({direction})")
    text = f"{row['metric']} on {row['item_set']} under {row['mix']} against {row['against']}: "
    return text + (f"{sides[0]} in both" if conclusion == AGREE else " / ".join(sides))


def _published(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Every pair of published conditions as a contrast, in the direction of our metric."""
    try:
        frame["value"] = frame["value"].astype(float) * frame["sign"].astype(float)
    except ValueError as error:
        raise InputError(f"{path}: value and sign must be numbers ({error}).") from None
    names = ["target", "probe", "metric", "item_set", "unit", "quantity", "source"]
    rows = []
    for which, of_metric in frame.groupby(names, sort=False):
        values = dict(zip(of_metric["mix"], of_metric["value"], strict=True))
        mixes = list(values)
        for place, mix in enumerate(mixes):
            for against in mixes[:place]:
                rows.append((*which, mix, against, values[mix] - values[against]))
    pairs = pd.DataFrame(rows, columns=[*names, "mix", "against", "difference"])
    unknown = {"ci_low": np.nan, "ci_high": np.nan, "decided": True}
    return pairs.assign(**unknown, primary=False, published=True)


def _both_ways(frame: pd.DataFrame) -> pd.DataFrame:
    """Each contrast and its mirror image, so that the order of a pair makes no difference."""
    names = ["target", *KEY, "difference", "ci_low", "ci_high", "decided", "primary", "published"]
    names += ["unit", "quantity", "source"]
    straight = frame[names].assign(mirrored=False)
    mirror = straight.rename(columns={"mix": "against", "against": "mix"})
    mirror = mirror.assign(
        difference=-straight["difference"],
        ci_low=-straight["ci_high"],
        ci_high=-straight["ci_low"],
        mirrored=True,
    )
    both = pd.concat([straight, mirror[[*names, "mirrored"]]], ignore_index=True)
    return both.drop_duplicates(["target", *KEY], ignore_index=True)
