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
    targets, sets = sorted(data["target"].unique()), list(dict.fromkeys(data["item_set"]))
    size = (panels.WIDTH if len(sets) > 1 else 4.8, 2.2 * len(targets) + 0.3)
    figure, axes = panels.axes(len(targets), len(sets), size, sharey="row")
    colours = panels.mix_colours(findings.mixes)
    for row, target in zip(axes, targets, strict=True):
        for ax, item_set in zip(row, sets, strict=True):
            of_panel = data[(data["target"] == target) & (data["item_set"] == item_set)]
            for mark in of_panel.dropna(subset=["p_star", "quality"]).to_dict("records"):
                panels.breakdown_mark(ax, mark, colours[mark["mix"]])
            ax.axvline(NOT_SELECTED, color="#dddddd", linewidth=0.8, zorder=0)
            title = f"right: {item_set}"
            ax.set_title(f"{target}, {title}" if len(targets) > 1 else title, loc="left")
            ax.locator_params(axis="x", nbins=4)
        row[0].set_ylabel("bits per byte (lower: better fit)")
    for ax in axes[-1]:
        ax.set_xlabel("p* (higher: better verifier)")
    present = [mix for mix in findings.mixes if mix in set(data["mix"])]
    panels.key(figure, present, findings.mixes)
    panels.footnote(
        figure,
        "Bars: 95 % interval of p* over prompts. Filled: the share of wrong rows before selection "
        "is below p*; open: it is not. Mixes of synthetic text without selection stand at 0.5.",
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
