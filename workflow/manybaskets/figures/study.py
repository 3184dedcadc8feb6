"""Figures of a study as a whole: which cells there are and what they share, which metrics agree.

Like `figures`: from tables alone. A figure that has nothing to show is None.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from manybaskets.figures import style
from manybaskets.figures.overview import KEY_METRICS, Drawing, Findings, metric_label

MOST_METRICS = 14
MOST_COLUMNS = 40  # of cells; of a larger study the first ones are drawn, and it is said
FEWEST_CELLS = 6


def draw_map(findings: Findings) -> Drawing | None:
    """Mixes by the origins they share, and which cells were measured."""
    if not findings.recipes:
        return None
    mixes = list(dict.fromkeys([*findings.mixes]))
    origins = list(
        dict.fromkeys(name for recipe in findings.recipes.values() for name, _ in recipe)
    )
    origins.sort(key=lambda name: name != "human")
    # What is said of a selection is not measured on the cell.
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


def draw_correlation(findings: Findings) -> Drawing | None:
    """Rank correlation of metrics: over all cells below the diagonal, within conditions above."""
    values = findings.values[findings.values["value"].notna()]
    cells = values.set_index(["target", "mix", "seed", "metric", "item_set"])["value"]
    table = cells.unstack(["metric", "item_set"])
    table = table.loc[:, table.nunique() > 2]
    names = _most_telling(list(table.columns))
    table = table[names]
    if len(names) < 2 or len(table) < FEWEST_CELLS:
        return None
    over_cells = _rank_correlation(table.groupby("target").rank(pct=True), table)
    centred = table - table.groupby(["target", "mix"]).transform("mean")
    within = _rank_correlation(centred.rank(), centred)
    size = 0.3 * len(names) + 2.0
    figure, axes = style.axes(1, 1, (min(style.WIDTH, size + 0.6), size))
    ax = axes[0, 0]
    shown = np.where(np.tri(len(names), k=-1, dtype=bool), over_cells, within)
    np.fill_diagonal(shown, np.nan)
    ax.pcolormesh(shown, cmap="PuOr_r", vmin=-1, vmax=1, edgecolors="white", linewidth=1)
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            text = f"{value:.1f}".replace("-0.0", "0.0").replace("-", "\N{MINUS SIGN}")
            colour = "white" if abs(value) > 0.7 else "#222222"
            ax.text(
                column + 0.5, row + 0.5, text, color=colour, fontsize=5.5, ha="center", va="center"
            )
    labels = [metric_label(*name) for name in names]
    ax.set_xticks(np.arange(len(names)) + 0.5, labels, rotation=45, ha="right", fontsize=6.5)
    ax.set_yticks(np.arange(len(names)) + 0.5, labels, fontsize=6.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylim(len(names), 0)
    style.footnote(
        figure,
        f"Spearman. Below the diagonal: over {len(table)} cells, within targets; it shows what the "
        "conditions move together. Above: seeds within conditions; what is correlated there is "
        "correlated by chance of the same run.",
    )
    rows = [
        (*names[i], *names[j], over_cells[i, j], within[i, j])
        for i in range(len(names))
        for j in range(i)
    ]
    columns = ["metric", "item_set", "metric_2", "item_set_2", "over_cells", "within_conditions"]
    return figure, pd.DataFrame(rows, columns=columns)


FIGURES: dict[str, Callable[[Findings], Drawing | None]] = {
    "map": draw_map,
    "correlation": draw_correlation,
}


def _map_rows(
    findings: Findings, mixes: list[str], columns: list[tuple[str, int]], probes: list[str]
) -> pd.DataFrame:
    """One row per cell: how many probes measured it."""
    there = findings.values[["target", "mix", "seed", "probe"]].drop_duplicates()
    there = there[there["probe"].isin(probes)]
    counts = there.groupby(["target", "mix", "seed"]).size().to_dict()
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


def _most_telling(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Key metrics first, then the others as they come, MOST_METRICS at most."""
    order = [metric for metric, _ in KEY_METRICS]
    wanted = {(metric, item_set) for metric, item_set in KEY_METRICS if item_set}

    def place(name: tuple[str, str]) -> tuple[bool, int, str, str]:
        known = name in wanted or (name[0], None) in KEY_METRICS
        return not known, order.index(name[0]) if name[0] in order else len(order), *name

    return sorted(names, key=place)[:MOST_METRICS]


def _rank_correlation(
    ranks: pd.DataFrame, values: pd.DataFrame
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Of every two columns; NaN where one does not vary."""
    found = ranks.where(values.notna()).corr(min_periods=FEWEST_CELLS)
    return np.array(found, dtype=np.float64)
