"""Figure of the breakdown point p* of every selection against the quality of the models.

One panel per target and per notion of a right row; every seed is a mark.
"""

import pandas as pd

from manybaskets.figures import marks, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings
from manybaskets.findings.selection_quality import NOT_SELECTED, correlations, points
from manybaskets.metrics.registry import metric as registered


def draw_selection(findings: Findings) -> Drawing | None:
    """p*, with its interval, against fit to human text; synthetic mixes without selection at 0.5.

    A filled mark is a selection whose error rate is below p*.
    """
    if not (findings.values["probe"] == "selection").any():
        return None
    data = points(findings.values, findings.unselected)
    if data.dropna(subset=["p_star", "quality"]).empty:
        return style.notice("No selection has a breakdown point and a measured model."), data
    plots = list(data.groupby(["target", "item_set"], sort=True))
    several = data["target"].nunique() > 1
    quality = registered(data["quality_metric"].iloc[0])
    columns = min(3, len(plots))
    rows = -(-len(plots) // columns)
    size = (style.WIDTH if columns > 1 else 4.8, 2.0 * rows + 0.3)
    figure, axes = style.axes(rows, columns, size, sharey="row")
    colours = style.mix_colours(findings.mixes)
    for place, ax in enumerate(axes.flat):
        ax.set_visible(place < len(plots))
        if place % columns == 0:
            ax.set_ylabel(quality.label)
    for ax, ((target, item_set), of_panel) in zip(axes.flat, plots, strict=False):
        for mark in of_panel.dropna(subset=["p_star", "quality"]).to_dict("records"):
            marks.breakdown_mark(ax, mark, colours[mark["mix"]])
        ax.axvline(NOT_SELECTED, color="#dddddd", linewidth=0.8, zorder=0)
        ax.set_title(f"{target}, {item_set}" if several else item_set, loc="left")
        ax.set_xlim(-0.04, 1.04)
        ax.locator_params(axis="y", nbins=5)
        ax.set_xlabel("p*")
    present = [mix for mix in findings.mixes if data["mix"].eq(mix).any()]
    style.key(figure, present, findings.mixes)
    words = _in_words(correlations(data))
    style.footnote(
        figure,
        f"{'Up' if quality.better == 'higher' else 'Down'} is a better model, right a better "
        "verifier; panels differ in their definition of a right response. Bars: 95 % interval of "
        "p* over prompts. Filled: the share of wrong rows before selection is below p*; open: it "
        f"is not. Mixes of synthetic text without selection are at 0.5. {words}",
    )
    return figure, data


def _in_words(rank_correlations: pd.DataFrame) -> str:
    """A sentence with the rank correlations of p* with quality of all panels."""
    parts = []
    for row in rank_correlations[rank_correlations["proxy"] == "p_star"].to_dict("records"):
        text = row["note"] if pd.isna(row["rho"]) else f"{row['rho']:.2f} (p = {row['p']:.2g})"
        parts.append(f"{row['item_set']}: {text}")
    mixes = rank_correlations["mixes"].max() if len(rank_correlations) else 0
    return f"Spearman's rho of p* with quality over {mixes} mixes: {'; '.join(parts)}."


SELECTION = Plot(
    "selection",
    "selection",
    "The breakdown point p* of each selection, 0.5 where everything is kept, against the "
    "fit of the model that was trained on the kept rows. Each mark is a seed. p* is a proxy "
    "by which verifiers are ranked; in theory data teach the truth while the share of wrong "
    "rows is below it.",
    draw_selection,
    optional=False,
)
