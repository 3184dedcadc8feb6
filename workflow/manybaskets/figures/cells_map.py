"""Mixes by the origins they share, and the cells that were measured."""

import pandas as pd
from matplotlib.axes import Axes

from manybaskets.figures import style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings

MOST_COLUMNS = 40  # of cells; the footnote counts the others


def draw_map(findings: Findings) -> Drawing | None:
    """Mixes by the origins they share, and the cells that were measured."""
    if not findings.recipes:
        return None
    mixes = list(dict.fromkeys([*findings.mixes]))
    origins = list(
        dict.fromkeys(name for recipe in findings.recipes.values() for name, _ in recipe)
    )
    origins.sort(key=lambda name: name != "human")
    # Selections are measured on training sets, not on cells.
    probes = sorted(set(findings.values["probe"]) - {"selection"})
    seeds = sorted(findings.seeds or findings.values["seed"].unique())
    columns = [(target, seed) for target in findings.targets for seed in seeds]
    shown = columns[:MOST_COLUMNS]
    rows = _map_rows(findings, mixes, columns, probes)
    height = 0.22 * len(mixes) + 1.0
    widths = [max(2.0, 0.6 * len(origins)), max(1.5, 0.25 * len(shown))]
    figure, axes = style.axes(1, 2, (style.WIDTH, height), sharey=True, width_ratios=widths)
    left, right = axes[0]
    colours = style.mix_colours(mixes)
    for place, mix in enumerate(mixes):
        for origin, share in findings.recipes.get(mix, ()):
            _share(left, origins.index(origin), place, float(share), colours[mix])
        if mix not in findings.recipes:
            left.text(-0.3, place, "not fine-tuned", color=style.GREY, fontsize=7, va="center")
    short = style.shortened(mixes)
    left.set_yticks(range(len(mixes)), [short[mix] for mix in mixes], fontsize=8)
    left.set_ylim(len(mixes) - 0.4, -0.6)
    _columns(left, list(style.shortened(origins, 14).values()))
    left.set_title("training text by origin, %", loc="left")
    places = {mix: place for place, mix in enumerate(mixes)}
    of_shown = rows[rows["column"] < len(shown)]
    for (mix, measured), cells in of_shown.groupby(["mix", "measured"]):
        y = [places[mix]] * len(cells)
        if measured:
            fill = colours[mix] if measured == len(probes) else "white"
            right.plot(cells["column"], y, "o", color=colours[mix], mfc=fill, ms=5)
        else:
            right.plot(cells["column"], y, "x", color=style.GREY, ms=4)
    several = len(findings.targets) > 1
    _columns(right, [f"{target} {seed}" if several else str(seed) for target, seed in shown])
    right.set_title("cells measured, by seed", loc="left")
    more = len(columns) - len(shown)
    style.footnote(
        figure,
        "Mixes with dots in the same column share that source's responses; a cell is filled where "
        f"all of {len(probes)} probes were measured, open where some were, a cross where none was."
        + (f" {more} more columns of cells are not drawn." if more else ""),
    )
    return figure, rows.drop(columns="column")


def _map_rows(
    findings: Findings, mixes: list[str], columns: list[tuple[str, int]], probes: list[str]
) -> pd.DataFrame:
    """One row per cell: how many probes measured it."""
    measured = findings.values[["target", "mix", "seed", "probe"]].drop_duplicates()
    measured = measured[measured["probe"].isin(probes)]
    counts = measured.groupby(["target", "mix", "seed"]).size().to_dict()
    rows = [
        (target, mix, seed, counts.get((target, mix, seed), 0), len(probes), column)
        for column, (target, seed) in enumerate(columns)
        for mix in mixes
    ]
    return pd.DataFrame(rows, columns=["target", "mix", "seed", "measured", "probes", "column"])


def _share(ax: Axes, x: int, y: int, share: float, colour: str) -> None:
    ax.plot(x, y, "s", color=colour, ms=3 + 8 * share**0.5, mew=0, alpha=0.85)
    ax.text(x + 0.24, y, f"{100 * share:.3g}", fontsize=6.5, va="center", color="#222222")


def _columns(ax: Axes, names: list[str]) -> None:
    ax.set_xlim(-0.6, len(names) - 0.2)
    crowded = max(map(len, names), default=0) * len(names) > 45
    ax.set_xticks(range(len(names)), names, fontsize=7, rotation=45 if crowded else 0)
    if crowded:
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


MAP = Plot(
    "map",
    "cells",
    "Left: the composition of training sets and the sources they share. Right: the cells "
    "that were measured.",
    draw_map,
)
