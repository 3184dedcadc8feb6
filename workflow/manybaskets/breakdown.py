"""The figure of the breakdown point: p* of every selection against the models that came of it.

The claim of arXiv 2406.07515, on a study's own data: the better a verifier's p*, the better the
model. A panel per target and per notion of a right row; every seed is a mark.
"""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from manybaskets import panels

if TYPE_CHECKING:  # figures imports this module
    from manybaskets.figures import Findings

QUALITY = ("bits_per_byte", "test")
NOT_SELECTED = 0.5  # p* where right and wrong rows are kept alike
KEY = ["target", "mix", "seed"]


def draw_selection(findings: "Findings") -> tuple[Figure, pd.DataFrame]:
    """p*, with its interval, against fit to human text; synthetic mixes without selection at 0.5.

    A filled mark says that the error rate is below p*.
    """
    data = _data(findings)
    if data.dropna(subset=["p_star", "quality"]).empty:
        return panels.notice("No selection has a breakdown point and a measured model."), data
    plots = list(data.groupby(["target", "item_set"], sort=True))
    several = data["target"].nunique() > 1
    columns = min(3, len(plots))
    rows = -(-len(plots) // columns)
    size = (panels.WIDTH if columns > 1 else 4.8, 2.0 * rows + 0.3)
    figure, axes = panels.axes(rows, columns, size, sharey="row")
    colours = panels.mix_colours(findings.mixes)
    for place, ax in enumerate(axes.flat):
        ax.set_visible(place < len(plots))
        if place % columns == 0:
            ax.set_ylabel("bits per byte")
    for ax, ((target, item_set), of_panel) in zip(axes.flat, plots, strict=False):
        for mark in of_panel.dropna(subset=["p_star", "quality"]).to_dict("records"):
            panels.breakdown_mark(ax, mark, colours[mark["mix"]])
        ax.axvline(NOT_SELECTED, color="#dddddd", linewidth=0.8, zorder=0)
        ax.set_title(f"{target}, {item_set}" if several else item_set, loc="left")
        ax.set_xlim(-0.04, 1.04)
        ax.locator_params(axis="y", nbins=5)
        ax.set_xlabel("p*")
    present = [mix for mix in findings.mixes if mix in set(data["mix"])]
    panels.key(figure, present, findings.mixes)
    panels.footnote(
        figure,
        "Down is a better fit, right a better verifier; panels differ in which responses are "
        "called right. Bars: 95 % interval of p* over prompts. Filled: the share of wrong rows "
        "before selection is below p*; open: it is not. Mixes of synthetic text without "
        "selection stand at 0.5.",
    )
    return figure, data


def _data(findings: "Findings") -> pd.DataFrame:
    quality = findings.of(*QUALITY).set_index(KEY)["value"].rename("quality")
    values = findings.values[findings.values["probe"] == "selection"]
    table = values.pivot_table(index=[*KEY, "item_set"], columns="metric", values="value")
    columns = ["p_star", "p_star_low", "p_star_high", "error_rate", "p_star_margin"]
    table = table.reindex(columns=columns).dropna(how="all").reset_index()
    sets = sorted(table["item_set"].unique())
    found = [table.join(quality, on=KEY)]
    of_synthetic = quality[quality.index.get_level_values("mix").isin(findings.unselected)]
    found += [
        of_synthetic.reset_index().assign(item_set=item_set, p_star=NOT_SELECTED)
        for item_set in sets
    ]
    data = pd.concat(found, ignore_index=True)[[*KEY, "item_set", *columns, "quality"]]
    return data.sort_values(["item_set", *KEY], ignore_index=True)
