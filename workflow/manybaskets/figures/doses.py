"""Key metrics over the dose of a series of mixes."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from manybaskets.figures import labels, lines, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings

MOST_PANELS = 12


def draw_doses(findings: Findings) -> Drawing | None:
    """Key metrics over the dose of every series of mixes, every seed a line."""
    plots = [
        (series, target, metric, item_set)
        for series in findings.series
        for target in findings.targets
        for metric, item_set in labels.key_metrics(findings.values)
    ][:MOST_PANELS]
    parts = []
    for series, target, metric, item_set in plots:
        rows = findings.of(metric, item_set)
        rows = rows[(rows["target"] == target) & rows["mix"].isin(list(series["doses"]))]
        rows = rows.assign(series=series["name"], dose=rows["mix"].map(series["doses"]))
        parts.append(
            rows[["series", "target", "metric", "item_set", "mix", "seed", "dose", "value"]]
        )
    if not any(len(part.dropna()) for part in parts):
        return None
    figure, axes = lines.grid(len(plots))
    colours = style.mix_colours(findings.mixes)
    for ax, (series, target, metric, item_set), part in zip(axes, plots, parts, strict=True):
        lines.seed_lines(ax, part, "dose", style.GREY)
        for mix, of_mix in part.dropna().groupby("mix"):
            ax.plot(
                of_mix["dose"], of_mix["value"], style.marker(mix, findings.mixes),
                color=colours[mix], ms=4, mew=0, alpha=0.8, zorder=3,
            )  # fmt: skip
        several = len(findings.targets) > 1
        name = labels.label(metric, item_set)
        ax.set_title(f"{target}: {name}" if several else name, loc="left", fontsize=7.5)
        ax.set_xlabel(series["name"], color=style.GREY, fontsize=7)
        _write_slope(ax, findings.trends, (target, series["name"], "", metric, item_set))
    style.key(figure, _used(findings.mixes, parts), findings.mixes)
    style.footnote(figure, "Grey: the means of the seeds, and every seed. Slopes with intervals.")
    return figure, pd.concat(parts, ignore_index=True)


def _write_slope(ax: Axes, trends: pd.DataFrame, which: tuple[str, ...]) -> None:
    if trends.empty:
        return
    columns = ("target", "series", "mix", "metric", "item_set")
    for column, wanted in zip(columns, which, strict=True):
        trends = trends[trends[column] == wanted]
    if len(trends) and not pd.isna(trends.iloc[0]["ci_low"]):
        row = trends.iloc[0]
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.15 * (high - low))  # room for the words
        text = f"{row['slope']:+.2g} ({row['ci_low']:+.2g} to {row['ci_high']:+.2g})"
        ax.text(
            0.03, 0.97, text.replace("-", "\N{MINUS SIGN}"), transform=ax.transAxes, fontsize=6.5,
            va="top", color="#222222",
        )  # fmt: skip


def _used(mixes: Sequence[str], parts: Sequence[pd.DataFrame]) -> list[str]:
    drawn = set().union(*(set(part["mix"]) for part in parts))
    return [mix for mix in mixes if mix in drawn]


DOSES = Plot(
    "doses",
    "headlines",
    "Key metrics over the dose of a series of mixes, with the slope over seeds.",
    draw_doses,
)
