"""Figure of the breakdown point p* of every selection against the quality of the models.

One panel per target and per notion of a right row; every seed is a mark.
"""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from manybaskets.figures import style
from manybaskets.findings.selection_quality import NOT_SELECTED, QUALITIES, correlations, points

if TYPE_CHECKING:
    from manybaskets.figures.overview import Findings


def draw_selection(findings: "Findings") -> tuple[Figure, pd.DataFrame]:
    """p*, with its interval, against fit to human text; synthetic mixes without selection at 0.5.

    A filled mark says that the error rate is below p*.
    """
    data = points(findings.values, findings.unselected)
    if data.dropna(subset=["p_star", "quality"]).empty:
        return style.notice("No selection has a breakdown point and a measured model."), data
    plots = list(data.groupby(["target", "item_set"], sort=True))
    several = data["target"].nunique() > 1
    _, more, label = next(q for q in QUALITIES if q[0] == data["quality_metric"].iloc[0])
    columns = min(3, len(plots))
    rows = -(-len(plots) // columns)
    size = (style.WIDTH if columns > 1 else 4.8, 2.0 * rows + 0.3)
    figure, axes = style.axes(rows, columns, size, sharey="row")
    colours = style.mix_colours(findings.mixes)
    for place, ax in enumerate(axes.flat):
        ax.set_visible(place < len(plots))
        if place % columns == 0:
            ax.set_ylabel(label)
    for ax, ((target, item_set), of_panel) in zip(axes.flat, plots, strict=False):
        for mark in of_panel.dropna(subset=["p_star", "quality"]).to_dict("records"):
            style.breakdown_mark(ax, mark, colours[mark["mix"]])
        ax.axvline(NOT_SELECTED, color="#dddddd", linewidth=0.8, zorder=0)
        ax.set_title(f"{target}, {item_set}" if several else item_set, loc="left")
        ax.set_xlim(-0.04, 1.04)
        ax.locator_params(axis="y", nbins=5)
        ax.set_xlabel("p*")
    present = [mix for mix in findings.mixes if data["mix"].eq(mix).any()]
    style.key(figure, present, findings.mixes)
    style.footnote(
        figure,
        f"{'Up' if more else 'Down'} is a better model, right a better verifier; panels differ in "
        "which responses are called right. Bars: 95 % interval of p* over prompts. Filled: the "
        "share of wrong rows before selection is below p*; open: it is not. Mixes of synthetic "
        f"text without selection stand at 0.5. {_in_words(correlations(data))}",
    )
    return figure, data


def _in_words(found: pd.DataFrame) -> str:
    """What the panels' rank correlations of p* with quality are."""
    said = []
    for row in found[found["proxy"] == "p_star"].to_dict("records"):
        text = row["note"] if pd.isna(row["rho"]) else f"{row['rho']:.2f} (p = {row['p']:.2g})"
        said.append(f"{row['item_set']}: {text}")
    mixes = found["mixes"].max() if len(found) else 0
    return f"Spearman's rho of p* with quality over {mixes} mixes: {'; '.join(said)}."
