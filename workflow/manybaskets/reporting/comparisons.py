"""The report's comparisons: contrasts and trends in words, published numbers, the Eggs tests."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from manybaskets.figures import labels
from manybaskets.findings import sentences
from manybaskets.findings.contrasts import Contrast
from manybaskets.findings.rows import from_frame
from manybaskets.findings.trends import Trend
from manybaskets.reporting.parts import PARTS

MOST_POOLED = 400  # rows of pooled tests of a probe; all are in findings/pooled.csv
MINUS = "\N{MINUS SIGN}"
KINDS = ("decided", "open", "untested")


def headline(contrasts: pd.DataFrame, alpha: float) -> dict[str, Any]:
    """The primary contrasts in words: per probe the decided, undecided and untested ones.

    A note that all tested contrasts share is under `everywhere`, and not repeated.
    """
    primary = from_frame(contrasts[contrasts["family"] == "primary"], Contrast)
    groups: list[dict[str, Any]] = []
    for probe in sorted({contrast.probe for contrast in primary}, key=list(PARTS).index):
        items: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        for contrast in primary:
            if contrast.probe == probe:
                items[_kind(contrast)].append(_contrast_item(contrast, alpha))
        groups.append({"title": PARTS[probe].title, **items})
    tested = [item for group in groups for kind in ("decided", "open") for item in group[kind]]
    everywhere = _shared_notes(tested)
    for item in tested:
        item["notes"] = [note for note in item["notes"] if note not in everywhere]
    counts = {kind: sum(len(group[kind]) for group in groups) for kind in KINDS}
    return {"groups": groups, "total": len(primary), "everywhere": everywhere, **counts}


def trend_items(trends: pd.DataFrame | None, alpha: float) -> list[dict[str, Any]]:
    """The primary trends in words, those decided first."""
    if trends is None:
        return []
    primary = from_frame(trends[trends["family"] == "primary"], Trend)
    items = []
    for trend in sorted(primary, key=lambda trend: not trend.decided):
        claim, numbers = sentences.trend_parts(trend, alpha, labels.described(trend.metric).label)
        items.append(_item(claim, numbers, trend.notes))
    return items


def published(comparison: pd.DataFrame | None) -> dict[str, Any]:
    """The published effects beside the study's, and how many of each kind."""
    if comparison is None or comparison.empty:
        return {}
    signs, inside = (_flags(comparison[name]) for name in ("same_sign", "inside"))
    return {
        "total": len(comparison),
        "same_sign": sum(signs),
        "signed": len(signs),
        "inside": sum(inside),
        "with_interval": len(inside),
        "rows": [_effect(row) for row in comparison.to_dict("records")],
    }


def pooled(tests: pd.DataFrame | None, probe: str) -> list[dict[str, Any]]:
    """The tests of the Eggs study for a probe, one row each."""
    if tests is None:
        return []
    rows = tests[tests["probe"] == probe].to_dict("records")
    return [
        {
            "target": row["target"],
            "label": labels.label(row["metric"], row["item_set"]),
            "test": row["test"],
            "pair": f"{row['mix']} / {row['against']}" if row["mix"] else "all",
            "statistic": f"{row['statistic']:.5g}",
            "p": f"{row['p_bonferroni' if row['mix'] else 'p']:.2g}",
        }
        for row in rows[:MOST_POOLED]
    ]


def _kind(contrast: Contrast) -> str:
    if contrast.reason:
        return "untested"
    return "decided" if contrast.decided else "open"


def _contrast_item(contrast: Contrast, alpha: float) -> dict[str, Any]:
    claim, numbers = sentences.contrast_parts(
        contrast, alpha, labels.described(contrast.metric).label, _amount(contrast)
    )
    return _item(claim, numbers, sentences.contrast_notes(contrast)) | {
        "pair": f"{contrast.mix} against {contrast.against}",
        "target": contrast.target,
    }


def _item(claim: str, numbers: str, notes: Sequence[str]) -> dict[str, Any]:
    claim = claim[:1].upper() + claim[1:]
    return {
        "claim": _typeset(claim),
        "numbers": f": {_typeset(numbers)}",
        "notes": [_typeset(note) for note in notes],
    }


def _typeset(text: str) -> str:
    """Minus signs before numbers, and no line break before a percent sign."""
    words = [
        MINUS + word[1:] if word[:1] == "-" and word[1:2].isdigit() else word
        for word in text.split(" ")
    ]
    return " ".join(words).replace(" %", "\N{NO-BREAK SPACE}%")


def _amount(contrast: Contrast) -> str:
    """The difference with half of the width of its interval, for example "0.12 ± 0.03"."""
    low, high, difference = contrast.ci_low, contrast.ci_high, contrast.difference
    if low is None or high is None or difference is None:
        return ""
    half = (high - low) / 2
    decimals = int(np.clip(1 - math.floor(math.log10(half)), 0, 6)) if half > 0 else 3
    return f"{abs(difference):.{decimals}f} ± {half:.{decimals}f}"


def _shared_notes(items: Sequence[dict[str, Any]]) -> list[str]:
    if len(items) < 2:
        return []
    return [note for note in items[0]["notes"] if all(note in item["notes"] for item in items)]


def _effect(row: dict[Any, Any]) -> dict[str, Any]:
    low, high = row["ci_low"], row["ci_high"]
    return {
        "target": row["target"],
        "label": labels.label(row["metric"], row["item_set"]),
        "pair": f"{row['mix']} against {row['against']}",
        "published": _signed(row["published"]),
        "ours": _signed(row["difference"]),
        "interval": "" if pd.isna(low) else f"{_signed(low)} to {_signed(high)}",
        "words": row["words"],
        "quantity": row["quantity"],
        "source": row["source"],
    }


def _flags(values: "pd.Series[Any]") -> list[bool]:
    """The true and false values of a column, without the missing ones."""
    return [str(value) == "True" for value in values if str(value) in ("True", "False")]


def _signed(value: float) -> str:
    return "" if pd.isna(value) else f"{value:+.3g}".replace("-", MINUS)
