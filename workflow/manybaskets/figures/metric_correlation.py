"""Rank correlation of metrics, over all cells and within conditions."""

import numpy as np
import pandas as pd

from manybaskets.figures import labels, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings

MOST_METRICS = 14
FEWEST_CELLS = 6


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
    words = [labels.label(*name) for name in names]
    ax.set_xticks(np.arange(len(names)) + 0.5, words, rotation=45, ha="right", fontsize=6.5)
    ax.set_yticks(np.arange(len(names)) + 0.5, words, fontsize=6.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylim(len(names), 0)
    style.footnote(
        figure,
        f"Spearman. Below the diagonal: over {len(table)} cells, within targets; metrics "
        "that the conditions move together. Above: seeds within conditions; correlation there is "
        "by chance of the same run.",
    )
    rows = [
        (*names[i], *names[j], over_cells[i, j], within[i, j])
        for i in range(len(names))
        for j in range(i)
    ]
    columns = ["metric", "item_set", "metric_2", "item_set_2", "over_cells", "within_conditions"]
    return figure, pd.DataFrame(rows, columns=columns)


def _most_telling(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Key metrics first, then the others as they come, MOST_METRICS at most."""
    order = [metric for metric, _ in labels.KEY_METRICS]
    wanted = {(metric, item_set) for metric, item_set in labels.KEY_METRICS if item_set}

    def place(name: tuple[str, str]) -> tuple[bool, int, str, str]:
        known = name in wanted or (name[0], None) in labels.KEY_METRICS
        return not known, order.index(name[0]) if name[0] in order else len(order), *name

    return sorted(names, key=place)[:MOST_METRICS]


def _rank_correlation(
    ranks: pd.DataFrame, values: pd.DataFrame
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Correlation of every two columns, (metrics, metrics); NaN where one does not vary."""
    correlations = ranks.where(values.notna()).corr(min_periods=FEWEST_CELLS)
    return np.array(correlations, dtype=np.float64)


CORRELATION = Plot(
    "correlation",
    "headlines",
    "Metrics that move together: over cells below the diagonal, over seeds of the same "
    "condition above it.",
    draw_correlation,
)
