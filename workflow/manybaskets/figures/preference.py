"""Judges by origins, with the judges' position bias beside it."""

import pandas as pd

from manybaskets.config.base import HUMAN
from manybaskets.figures import labels, marks, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings


def draw_preference(findings: Findings) -> Drawing:
    """Judges by origins, mean over seeds, with the judges' position bias beside it."""
    scores = findings.of("preference")
    bias = findings.of("position_bias")
    data = pd.concat([scores, bias])[["target", "mix", "seed", "metric", "item_set", "value"]]
    if data.empty:
        return style.notice("The preference probe was not measured."), data
    targets = sorted(data["target"].unique())
    mixes = findings.present(data)
    origins = sorted(scores["item_set"].unique(), key=lambda name: (name != "human", name))
    height = len(targets) * (0.26 * len(mixes) + 0.75) + 0.2
    widths = [max(2.0, 0.55 * len(origins)), 1.6]
    figure, axes = style.axes(
        len(targets), 2, (style.WIDTH, height), sharey="row", width_ratios=widths
    )
    for (left, right), target in zip(axes, targets, strict=True):
        matrix = scores[scores["target"] == target].pivot_table(
            index="mix", columns="item_set", values="value", aggfunc="mean"
        )
        matrix = matrix.reindex(index=mixes, columns=origins)
        marks.heat_map(left, matrix, findings.own.get(target), HUMAN)
        title = "preference for text of … over text of others"
        left.set_title(title if len(targets) == 1 else f"{target}: {title}", loc="left")
        colours = style.mix_colours(findings.mixes)
        marks.strip(right, bias[bias["target"] == target], mixes, colours, middle=0.5)
        right.axvline(0, color=style.GREY, linewidth=0.6, zorder=0)
        right.set_title("position bias", loc="left")
        right.set_xlabel("above 0: favours the first", color=style.GREY, fontsize=7)
    style.footnote(figure, labels.without_value(data))
    return figure, data


PREFERENCE = Plot(
    "preference",
    "preference",
    "Left: the mean probability with which each condition, as a judge, chooses text of an "
    "origin over that of the others; at 0.5 it prefers neither. The frame marks the target's own "
    "text, with its excess over other models' text. Right: the bias for the text shown "
    "first; each dot is a seed.",
    draw_preference,
    optional=False,
)
