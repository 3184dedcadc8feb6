"""Key metrics by condition, every seed a dot."""

import pandas as pd

from manybaskets.figures import labels, marks, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings
from manybaskets.metrics.registry import metric as registered


def draw_overview(findings: Findings) -> Drawing:
    """Key metrics by condition, every seed a dot: a row per metric where there are targets."""
    plots: list[tuple[str, str, str]] = []
    absent = []
    for metric, wanted in labels.KEY_METRICS:
        rows_of_metric = findings.of(metric, wanted)
        if rows_of_metric.empty:
            absent.append(labels.label(metric, wanted or "test"))
        for item_set in sorted(rows_of_metric["item_set"].unique()):
            plots += [(metric, item_set, target) for target in findings.targets]
    if not plots:
        return style.notice("No key metric was measured."), findings.values.iloc[:0]
    several = len(findings.targets) > 1
    columns = min(len(findings.targets), 4) if several else 3
    rows = -(-len(plots) // columns)
    mixes = findings.present(findings.values)
    size = (style.WIDTH, rows * (0.16 * len(mixes) + 0.62) + 0.3)
    figure, axes = style.axes(rows, columns, size, sharey=True)
    drawn = []
    for ax, (metric, item_set, target) in zip(axes.flat, plots, strict=False):
        of_metric = findings.of(metric, item_set)
        of_panel = of_metric[of_metric["target"] == target]
        drawn.append(of_panel)
        marks.strip(ax, of_panel, mixes, style.mix_colours(findings.mixes))
        if registered(metric).neutral == 0:
            ax.axvline(0, color=style.GREY, linewidth=0.6, zorder=0)
        name = labels.label(metric, item_set)
        ax.set_title(f"{target}: {name}" if several else name, loc="left", fontsize=7.5)
        ax.set_xlabel(registered(metric).reading_of(item_set), color=style.GREY, fontsize=7)
    for ax in axes.flat[len(plots) :]:
        ax.set_visible(False)
    data = pd.concat(drawn)[["target", "mix", "seed", "probe", "metric", "item_set", "value"]]
    missing = f"Not measured: {', '.join(absent)}. " if absent else ""
    style.footnote(figure, missing + labels.without_value(data))
    return figure, data


OVERVIEW = Plot(
    "overview",
    "headlines",
    "Key metrics by condition. Each dot is a seed, the tick is their mean.",
    draw_overview,
    optional=False,
)
