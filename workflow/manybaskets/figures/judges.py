"""Figure of the judges: what each shows of bias and of discernment, with intervals.

Like `figures`: from tables alone. None where no judge judged.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from manybaskets.figures import style
from manybaskets.figures.overview import NAMES, Drawing, Findings

ALL = "all"  # what compares judges with each other
MOST_JUDGES = 40  # drawn; the others are in the table, and it is said
LEAST = 0.05  # half of the narrowest axis
# Measure, and where it stands for no bias (or for chance).
MEASURES = {
    "self_preference_bias": 0.0,
    "self_log_odds": 0.0,
    "length_controlled_preference": 0.5,
    "position_bias": 0.0,
    "discernment": 0.5,
}


def draw_judges(findings: Findings) -> Drawing | None:
    """A row per judge and a column per measure: its interval, and every seed of a cell a dot."""
    table = findings.judges
    if not len(table):
        return None
    # The most controlled of several: that with the longest list of covariates.
    known = table[table["metric"].isin(MEASURES) & (table["judge"] != ALL)]
    known = known.assign(controls=known["item_set"].str.count(r"\+") + known["item_set"].str.len())
    known = known.sort_values("controls", kind="stable")
    known = known.drop_duplicates(["judge", "metric"], keep="last").drop(columns="controls")
    names = [name for name in MEASURES if known.loc[known["metric"] == name, "value"].notna().any()]
    if not names:
        return None
    judges = _ordered(findings, known)
    shown = judges[:MOST_JUDGES]
    height = 0.19 * len(shown) + 0.75
    figure, axes = style.axes(1, len(names), (style.WIDTH, height), sharey=True)
    for ax, name in zip(axes[0], names, strict=True):
        of_measure = known[known["metric"] == name].set_index("judge")
        ax.axvline(MEASURES[name], color=style.GREY, linewidth=0.6, zorder=0)
        for place, judge in enumerate(shown):
            if judge in of_measure.index:
                _draw(ax, place, of_measure.loc[judge].to_dict(), findings, judge)
        ax.margins(x=0.1)
        low, high = ax.get_xlim()  # so that a few thousandths do not look like a verdict
        ax.set_xlim(min(low, MEASURES[name] - LEAST), max(high, MEASURES[name] + LEAST))
        ax.xaxis.set_major_locator(style.RoomyTicks(3))
        ax.set_title(_title(name), loc="left", fontsize=7.5)
        ax.set_xlabel(f"{MEASURES[name]:g}: {_meaning(name)}", color=style.GREY, fontsize=7)
    axes[0][0].set_yticks(range(len(shown)), style.shortened(shown, 24).values())
    axes[0][0].set_ylim(len(shown) - 0.5, -0.5)
    left_out = f"{len(judges) - len(shown)} further judges are in the table. " * (judges != shown)
    style.footnote(
        figure,
        "Mean and 95 % interval over items and seeds; small dots: seeds. Log-odds and preference "
        f"are at no difference in length and what else is known. {left_out}{_excess(table)}",
    )
    return figure, known


def _ordered(findings: Findings, known: pd.DataFrame) -> list[str]:
    """Cells as mixes stand in every figure, then judges that are no cells."""
    there = list(dict.fromkeys(known["judge"]))
    cells = [f"{target}/{mix}" for target in findings.targets for mix in findings.mixes]
    return [name for name in cells if name in there] + [n for n in there if n not in cells]


def _draw(ax: Axes, place: int, row: Mapping[str, Any], findings: Findings, judge: str) -> None:
    target, _, mix = judge.partition("/")
    colour = style.mix_colours(findings.mixes).get(mix, style.GREY)
    seeds = findings.of(row["metric"], row["item_set"])
    seeds = seeds[(seeds["target"] == target) & (seeds["mix"] == mix)]["value"].dropna()
    ax.plot(seeds, [place + 0.22] * len(seeds), ".", color=colour, markersize=2.5, alpha=0.6)
    if pd.isna(row["value"]):
        ax.text(
            0.02, place, "not measurable", transform=ax.get_yaxis_transform(), va="center",
            color=style.GREY, fontsize=6,
        )  # fmt: skip
        return
    if pd.notna(row["low"]):
        ax.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.2)
    ax.plot([row["value"]], [place], "o", color=colour, markersize=4)


def _title(name: str) -> str:
    short = {
        "self_log_odds": "own, log-odds",
        "length_controlled_preference": "own, at equal length",
        "discernment": "tells the better text",
    }
    return short.get(name, NAMES.get(name, name.replace("_", " ")))


def _meaning(name: str) -> str:
    return "chance" if name == "discernment" else "none"


def _excess(table: pd.DataFrame) -> str:
    """What judges together show: how far they favour their own beyond its quality."""
    rows = table[(table["judge"] == ALL) & table["value"].notna()]
    said = [
        f"{row['metric'].replace('_', ' ')} {row['value']:.3f}{_between(row)}".replace(
            "-", "\N{MINUS SIGN}"
        )
        for row in rows.to_dict("records")
    ]
    return f"All judges together: {', '.join(said)}." if said else ""


def _between(row: Mapping[Any, Any]) -> str:
    return "" if pd.isna(row["low"]) else f" [{row['low']:.3f}, {row['high']:.3f}]"


FIGURES: dict[str, Callable[[Findings], Drawing | None]] = {"judges": draw_judges}
