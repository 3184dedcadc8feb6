"""Panels of lines over a number: one thin line per seed, a thick one for their mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from manybaskets.figures import style


def grid(count: int, columns: int = 3, shape: float = 0.8) -> tuple[Any, list[Axes]]:
    """A figure and the axes of `count` panels."""
    columns = min(columns, count)
    rows = -(-count // columns)
    width = style.WIDTH if columns > 1 else 5.2
    figure, axes = style.axes(rows, columns, (width, rows * (width / columns * shape) + 0.2))
    for ax in list(axes.flat)[count:]:
        ax.set_visible(False)
    return figure, list(axes.flat)[:count]


def seed_lines(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    colour: str,
    y: str = "value",
    dots: bool = False,
    thick: float = 1.4,
) -> pd.DataFrame:
    """A thin line per seed and a thicker one of their mean, which is returned."""
    rows = rows.dropna(subset=[y])
    gap = np.array([np.nan])
    across, up = [], []
    for _, of_seed in rows.sort_values(x).groupby("seed"):
        across += [of_seed[x].to_numpy(dtype=float), gap]
        up += [of_seed[y].to_numpy(dtype=float), gap]
    if across:  # one line with gaps, however many seeds
        ax.plot(
            np.concatenate(across), np.concatenate(up), "o-" if dots else "-", color=colour,
            linewidth=0.5, ms=2.6, mew=0, alpha=0.55, zorder=2,
        )  # fmt: skip
    mean = rows.groupby(x, as_index=False)[y].mean()
    ax.plot(mean[x], mean[y], "-", color=colour, linewidth=thick, zorder=3)
    return mean


def labelled_lines(
    ax: Axes,
    rows: pd.DataFrame,
    columns: tuple[str, str],
    mixes: Sequence[str],
    dots: bool = False,
) -> None:
    """Lines of every mix with its name at the right end; names keep apart from each other."""
    x, y = columns
    colours = style.mix_colours(mixes)
    ends = {}
    for mix in [mix for mix in mixes if rows["mix"].eq(mix).any()]:
        mean = seed_lines(ax, rows[rows["mix"] == mix], x, colours[mix], y, dots)
        if len(mean):
            ends[mix] = (float(mean[x].iloc[-1]), float(mean[y].iloc[-1]))
    label_ends(ax, ends, colours)


def plain_ticks(ax: Axes) -> None:
    """Powers of ten on logarithmic axes, written out; matplotlib's own are formulas."""
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def label_ends(
    ax: Axes, ends: Mapping[str, tuple[float, float]], colours: Mapping[str, str]
) -> None:
    """Names curves at their right ends, moved up and down until no name covers another."""
    if not ends:
        return
    ax.margins(x=0.02)
    is_log = ax.get_yscale() == "log"
    low, high = np.log10(ax.get_ylim()) if is_log else ax.get_ylim()
    names = sorted(ends, key=lambda name: ends[name][1])
    heights = [float(np.log10(ends[name][1]) if is_log else ends[name][1]) for name in names]
    apart = 0.075 * (high - low)
    for _ in range(200):  # neighbours push each other apart
        for i in range(len(heights) - 1):
            lack = max(0.0, apart - (heights[i + 1] - heights[i]))
            heights[i] -= lack / 2
            heights[i + 1] += lack / 2
    if is_log:
        heights = [10**height for height in heights]
    right = max(x for x, _ in ends.values())
    short = style.shortened(names, 16)
    for name, height in zip(names, heights, strict=True):
        ax.annotate(
            short[name], (right, height), xytext=(5, 0), textcoords="offset points", fontsize=7,
            va="center", color=colours[name], annotation_clip=False,
        )  # fmt: skip
