"""Biases and discernment of each judge, with intervals."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from manybaskets.figures import style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings
from manybaskets.metrics.registry import metric as registered

ALL = "all"  # the rows that compare judges with each other
MOST_JUDGES = 40  # drawn; the footnote counts the others
LEAST = 0.05  # half of the narrowest axis
CHANCE = 0.5  # discernment of a judge that cannot tell texts apart
MEASURES = (
    "self_preference_bias",
    "self_log_odds",
    "length_controlled_preference",
    "position_bias",
    "discernment",
)


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
        neutral = registered(name).neutral
        middle, meaning = (CHANCE, "chance") if neutral is None else (neutral, "none")
        ax.axvline(middle, color=style.GREY, linewidth=0.6, zorder=0)
        for place, judge in enumerate(shown):
            if judge in of_measure.index:
                _draw(ax, place, of_measure.loc[judge].to_dict(), findings, judge)
        ax.margins(x=0.1)
        low, high = ax.get_xlim()  # a few thousandths must not fill the axis
        ax.set_xlim(min(low, middle - LEAST), max(high, middle + LEAST))
        ax.xaxis.set_major_locator(style.RoomyTicks(3))
        ax.set_title(registered(name).label, loc="left", fontsize=7.5)
        ax.set_xlabel(f"{middle:g}: {meaning}", color=style.GREY, fontsize=7)
    axes[0][0].set_yticks(range(len(shown)), style.shortened(shown, 24).values())
    axes[0][0].set_ylim(len(shown) - 0.5, -0.5)
    left_out = f"{len(judges) - len(shown)} further judges are in the table. " * (judges != shown)
    style.footnote(
        figure,
        "Mean and 95 % interval over items and seeds; small dots: seeds. Log-odds and preference "
        f"are at equal length and equal other known covariates. {left_out}{_excess(table)}",
    )
    return figure, known


def _ordered(findings: Findings, known: pd.DataFrame) -> list[str]:
    """Cells in the order of mixes in all figures, then external judges."""
    judges = list(dict.fromkeys(known["judge"]))
    cells = [f"{target}/{mix}" for target in findings.targets for mix in findings.mixes]
    return [name for name in cells if name in judges] + [n for n in judges if n not in cells]


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


def _excess(table: pd.DataFrame) -> str:
    """The excess of all judges together for their own text, beyond its quality."""
    rows = table[(table["judge"] == ALL) & table["value"].notna()]
    values = [
        f"{registered(row['metric']).label} {row['value']:.3f}{_between(row)}".replace(
            "-", "\N{MINUS SIGN}"
        )
        for row in rows.to_dict("records")
    ]
    return f"All judges together: {', '.join(values)}." if values else ""


def _between(row: Mapping[Any, Any]) -> str:
    return "" if pd.isna(row["low"]) else f" [{row['low']:.3f}, {row['high']:.3f}]"


JUDGES = Plot(
    "judges",
    "preference",
    "Biases of each judge, and its discernment of the better text: without discernment, a "
    "small bias is not evidence of its absence.",
    draw_judges,
)
