"""Key metrics over the generations of loops, with their change per generation."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from manybaskets.config.base import VANILLA
from manybaskets.figures import labels, lines, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings
from manybaskets.findings.trends import GENERATION

MOST_PANELS = 6  # of one metric each, with the slopes beside it


def draw_generations(findings: Findings) -> Drawing | None:
    """Key metrics over the generations of loops, and beside each its change per generation."""
    every = findings.every
    if every.empty:
        return None
    every = every.assign(generation=pd.to_numeric(every["generation"]).fillna(0))
    loops = every.groupby(["target", "mix"])["generation"].transform("max") > 0
    vanilla = every[(every["mix"] == VANILLA) & ~loops]
    every = every[loops]
    plots = [
        (target, metric, item_set)
        for target in sorted(every["target"].unique())
        for metric, item_set in labels.key_metrics(every)
    ][:MOST_PANELS]
    if not plots:
        return None
    mixes = [mix for mix in findings.mixes if every["mix"].eq(mix).any()]
    size = (style.WIDTH, len(plots) * (0.14 * len(mixes) + 1.15) + 0.2)
    figure, axes = style.axes(len(plots), 2, size, width_ratios=(1.5, 1.0))
    parts = []
    for (left, right), (target, metric, item_set) in zip(axes, plots, strict=True):
        rows = _of(every, target, metric, item_set)
        before = _of(vanilla, target, metric, item_set)["value"].mean()
        if np.isfinite(before):
            left.axhline(before, color=style.GREY, linestyle="--", linewidth=0.8, zorder=1)
        lines.labelled_lines(left, rows, ("generation", "value"), findings.mixes, dots=True)
        name = labels.label(metric, item_set)
        several = every["target"].nunique() > 1
        left.set_title(f"{target}: {name}" if several else name, loc="left", fontsize=7.5)
        left.locator_params(axis="x", integer=True)
        slopes = _slopes(findings.trends, (target, metric, item_set))
        _draw_slopes(right, slopes, mixes, style.mix_colours(findings.mixes))
        columns = ["target", "metric", "item_set", "mix", "seed", "generation", "value"]
        parts += [rows[columns].assign(kind="value"), slopes.assign(kind="slope")]
    for ax, text in zip(axes[-1], ("generation", "change per generation"), strict=True):
        ax.set_xlabel(text, color=style.GREY, fontsize=7)
    style.footnote(
        figure,
        "Left: thin lines and dots are seeds, thick lines their means; dashed, the target without "
        "fine-tuning. Right: the mean of the seeds' slopes, with its interval over seeds "
        "(Student's).",
    )
    return figure, pd.concat(parts, ignore_index=True)


def _of(rows: pd.DataFrame, target: str, metric: str, item_set: str) -> pd.DataFrame:
    of_metric = rows[(rows["target"] == target) & (rows["metric"] == metric)]
    return of_metric[of_metric["item_set"] == item_set]


def _slopes(trends: pd.DataFrame, which: tuple[str, str, str]) -> pd.DataFrame:
    """Change per generation of every loop: mix, value, ci_low, ci_high."""
    columns = ["target", "metric", "item_set", "mix", "value", "ci_low", "ci_high"]
    if trends.empty:
        return pd.DataFrame(columns=columns)
    of_metric = _of(trends[trends["series"] == GENERATION], *which)
    return of_metric.rename(columns={"slope": "value"})[columns]


def _draw_slopes(
    ax: Axes, slopes: pd.DataFrame, mixes: Sequence[str], colours: Mapping[str, str]
) -> None:
    """A line per loop and its numbers, since one slope may be far larger than the others."""
    ax.axvline(0, color=style.GREY, linewidth=0.7, zorder=0)
    rows = {row["mix"]: row for row in slopes.to_dict("records") if not pd.isna(row["value"])}
    for place, mix in enumerate(mixes):
        row = rows.get(mix)
        text = "no slope"
        if row is not None:
            text = _signed(row["value"], row["value"])
            ax.plot(row["value"], place, "o", color=colours[mix], ms=4, mew=0, zorder=3)
        if row is not None and not pd.isna(row["ci_low"]):
            ends = row["ci_low"], row["ci_high"]
            ax.plot(ends, [place, place], "-", color=colours[mix], linewidth=1.3, zorder=2)
            half = (ends[1] - ends[0]) / 2
            value, low, high = (_signed(one, half) for one in (row["value"], *ends))
            text = f"{value} ({low} to {high})"
        ax.annotate(
            text, (1.02, place), xycoords=("axes fraction", "data"), color=colours[mix],
            fontsize=6.5, va="center", annotation_clip=False,
        )  # fmt: skip
    ax.set_ylim(len(mixes) - 0.4, -0.6)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(style.RoomyTicks(4))


def _signed(value: float, precision: float) -> str:
    """A number with its sign, rounded to two significant digits of its precision."""
    decimals = 3 if precision == 0 else int(np.clip(1 - np.floor(np.log10(abs(precision))), 0, 6))
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


GENERATIONS = Plot(
    "generations",
    "headlines",
    "Key metrics over the generations of loops, and their change per generation. Contrasts "
    "are of the last generation.",
    draw_generations,
)
