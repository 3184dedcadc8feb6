"""Marks of a panel: intervals, clouds of seeds, strips, heat maps.

Every seed is a dot in the colour of its mix; a missing value is written where the dots would be.
These functions know the shape of the data, not its origin.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from manybaskets.figures.style import GREY, RoomyTicks, freeze, shortened


def forest(
    ax: Axes,
    data: pd.DataFrame,
    places: Mapping[tuple[str, str | None], int],
    colours: Mapping[str, str],
) -> None:
    """Contrasts of one metric: `data` has a row of kind "mean" each, and one per seed.

    `places` gives the line of each (against, mix).
    """
    ax.axvline(0, color=GREY, linewidth=0.7, zorder=0)
    low, high = _forest_limits(data)
    ax.set_xlim(low, high)
    of_seeds = data["kind"] == "seed"
    for (against, mix), rows in data[of_seeds].groupby(["against", "mix"], sort=False):
        y = [places[against, mix] + 0.3] * len(rows)
        ax.plot(rows["difference"], y, "o", color=colours[mix], ms=2.4, mew=0, zorder=3)
    for row in data[~of_seeds].to_dict("records"):
        place, colour = places[row["against"], row["mix"]], colours[row["mix"]]
        if pd.isna(row["difference"]):
            ax.text(0, place, " no value", color=GREY, fontsize=6.5, va="center")
        elif pd.isna(row["ci_low"]):
            ax.plot(row["difference"], place, "|", color=colour, ms=9, mew=1.3, zorder=4)
            right = row["difference"] < (low + high) / 2  # where there is room
            ax.annotate(
                "no test", (row["difference"], place), xytext=(5 if right else -5, 0),
                textcoords="offset points", color=GREY, fontsize=6.5, va="center",
                ha="left" if right else "right",
            )  # fmt: skip
        else:
            _interval(ax, row, place, colour)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(RoomyTicks(5))


def forest_labels(ax: Axes, lines: Sequence[tuple[str, str | None]]) -> None:
    """Names the lines of a forest; a line without a mix is the heading of its contrasts."""
    short = shortened([name for line in lines for name in line if name], 22)
    ax.set_yticks(range(len(lines)))
    ax.set_yticklabels(
        [short[mix] if mix else f"against {short[against]}" for against, mix in lines], fontsize=8
    )
    for tick, (_, mix) in zip(ax.get_yticklabels(), lines, strict=True):
        if mix is None:
            tick.set_color(GREY)
            tick.set_fontstyle("italic")
    ax.set_ylim(len(lines) - 0.4, -0.6)


def cloud(ax: Axes, cloud: pd.DataFrame, colour: str, marker: str) -> None:
    """The seeds of a condition, tied to their mean so that they read as one."""
    x, y = cloud["x"].mean(), cloud["y"].mean()
    gap = np.full(len(cloud), np.nan)  # one line with gaps, however many seeds
    across = np.column_stack([np.full(len(cloud), x), cloud["x"], gap]).ravel()
    up = np.column_stack([np.full(len(cloud), y), cloud["y"], gap]).ravel()
    ax.plot(across, up, color=colour, linewidth=0.6, alpha=0.6, zorder=2)
    ax.plot(
        cloud["x"], cloud["y"], marker, color=colour, ms=5, alpha=0.85, mec="white", mew=0.5,
        zorder=3, clip_on=False,
    )  # fmt: skip


def breakdown_mark(ax: Axes, mark: Mapping[str, Any], colour: str) -> None:
    """One seed of a selection: p_star with its interval if it has one, against `quality`."""
    ends = mark["p_star_low"], mark["p_star_high"]
    if not pd.isna(ends[0]):
        ax.plot(ends, [mark["quality"]] * 2, color=colour, linewidth=0.8, alpha=0.6, zorder=2)
    below = not pd.isna(mark["p_star_margin"]) and mark["p_star_margin"] > 0
    fill = colour if below else "white"
    ax.plot(mark["p_star"], mark["quality"], "o", color=colour, mfc=fill, ms=4.5, zorder=3)


def label_clouds(
    figure: Figure, ax: Axes, data: pd.DataFrame, mixes: Sequence[str], colours: Mapping[str, str]
) -> None:
    """Writes each condition's name beside its seeds, where it covers no dot and no other name."""
    ax.margins(0.14)
    canvas = FigureCanvasAgg(figure)
    freeze(figure)  # the code below measures pixels
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    dots = ax.transData.transform(data[["x", "y"]].to_numpy(dtype=float))
    scale = figure.dpi / 72
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in dots]
    frame = ax.get_window_extent(renderer)
    short = shortened(mixes)
    for mix, cloud in data.groupby("mix", sort=True):
        centre = cloud[["x", "y"]].mean().to_numpy(dtype=float)
        text = ax.annotate(
            short[mix], centre, xytext=(0, 0), textcoords="offset points", fontsize=8, ha="center",
            va="center", color="#222222", zorder=5,
        )  # fmt: skip
        size = text.get_window_extent(renderer)
        x, y = ax.transData.transform(centre)
        best, cost = (0.0, 0.0), np.inf
        for distance in (8, 14, 22, 32, 44, 58):
            for angle in np.deg2rad([0, 180, 90, 270, 45, 135, 225, 315]):
                dx = np.cos(angle) * (distance * scale + size.width / 2)
                dy = np.sin(angle) * (distance * scale + size.height / 2)
                box = Bbox.from_bounds(
                    x + dx - size.width / 2, y + dy - size.height / 2, size.width, size.height
                )
                covered = sum(box.overlaps(other) for other in taken)
                outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0
                price = 100 * covered + 300 * (outside or box.y1 > frame.y1) + distance
                if price < cost:
                    best, cost, place = (dx / scale, dy / scale), price, box
        best = round(best[0], 2), round(best[1], 2)
        text.set_position(best)
        taken.append(place)
        if np.hypot(*best) - size.width / scale / 2 > 12:
            ax.annotate(
                "", centre, xytext=best, textcoords="offset points", zorder=1,
                arrowprops={"arrowstyle": "-", "color": colours[mix], "linewidth": 0.5},
            )  # fmt: skip


def heat_map(ax: Axes, matrix: pd.DataFrame, own: str | None, human: str) -> None:
    """Mean preferences around 0.5, each written into its cell.

    The judge's own origin is framed, with the excess over the mean of the other synthetic origins.
    """
    others = [name for name in matrix.columns if name not in (own, human)]
    values = matrix.to_numpy(dtype=float)
    spread = np.nanmax(np.abs(values - 0.5)) if np.isfinite(values).any() else 0.0
    spread = max(float(spread), 0.1)  # a few hundredths must not look like a strong preference
    ax.pcolormesh(
        values, cmap="PuOr_r", vmin=0.5 - spread, vmax=0.5 + spread,
        edgecolors="white", linewidth=1.5,
    )  # fmt: skip
    for (row, column), value in np.ndenumerate(values):
        strong = abs(value - 0.5) > 0.7 * spread
        text, colour = (f"{value:.2f}", "white" if strong else "#222222")
        if np.isnan(value):
            text, colour = "no value", GREY
        y = row + 0.5
        if matrix.columns[column] == own and others and not np.isnan(value):
            excess = value - float(np.nanmean(matrix.iloc[row][others].to_numpy(dtype=float)))
            sign = f"{excess:+.3f}".replace("-", "\N{MINUS SIGN}")
            if not np.isnan(excess):
                y -= 0.17
                ax.text(
                    column + 0.5,
                    row + 0.77,
                    sign,
                    color=colour,
                    fontsize=6,
                    ha="center",
                    va="center",
                )
        ax.text(column + 0.5, y, text, color=colour, fontsize=7, ha="center", va="center")
    names = list(matrix.columns)
    if own in names:
        place = (names.index(own), 0)
        ax.add_patch(
            Rectangle(place, 1, len(matrix), fill=False, edgecolor="black", lw=1.3, clip_on=False)
        )
    short = shortened(names, 12)
    ax.set_xticks(np.arange(len(names)) + 0.5)
    ax.set_xticklabels([short[n] + (" (own)" if n == own else "") for n in names], fontsize=7)
    if any(len(label.get_text()) > 11 for label in ax.get_xticklabels()) or len(names) > 8:
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def strip(
    ax: Axes,
    data: pd.DataFrame,
    mixes: Sequence[str],
    colours: Mapping[str, str],
    middle: float = 0,
) -> None:
    """Conditions on y (the first at `middle`), every seed a dot, the mean a tick."""
    for place, mix in enumerate(mixes):
        values = data.loc[data["mix"] == mix, "value"]
        y = place + middle
        if values.notna().sum() == 0:
            text = "no value" if len(values) else "not measured"
            across = ax.get_yaxis_transform()
            ax.text(0.02, y, text, color=GREY, fontsize=6.5, va="center", transform=across)
            continue
        ax.axhline(y, color="#ececec", linewidth=0.6, zorder=0)
        colour = colours[mix]
        ax.plot(values, [y] * len(values), "o", color=colour, ms=4, alpha=0.6, mew=0, zorder=3)
        ax.plot(values.mean(), y, "|", color=colour, ms=9, mew=1.5, zorder=4)
    short = shortened(mixes)
    ax.set_yticks([place + middle for place in range(len(mixes))])
    ax.set_yticklabels([short[mix] for mix in mixes], fontsize=8)
    ax.set_ylim(len(mixes) - 0.5 + middle, -0.5 + middle)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(RoomyTicks(4))
    ax.margins(x=0.08)


def _interval(ax: Axes, row: Mapping[str, Any], place: int, colour: str) -> None:
    """Mean and interval; an end beyond the axis is an arrow head at its edge."""
    left, right = ax.get_xlim()
    ends = max(row["ci_low"], left), min(row["ci_high"], right)
    ax.plot(ends, [place, place], color=colour, linewidth=1.1, zorder=2)
    for end, edge, head in ((ends[0], left, "<"), (ends[1], right, ">")):
        if end == edge:
            ax.plot(end, place, head, color=colour, ms=4, mew=0, zorder=2, clip_on=False)
    fill = colour if row["decided"] else "white"
    ax.plot(row["difference"], place, "D", color=colour, mfc=fill, ms=4.5, zorder=4)


def _forest_limits(data: pd.DataFrame) -> tuple[float, float]:
    """Limits of the axis: 0, all seeds, and the intervals unless they are far wider."""
    ends = [0.0, *data["difference"].dropna()]
    span = max(ends) - min(ends) or 1.0
    lowest, highest = min(ends) - 1.5 * span, max(ends) + 1.5 * span
    ends += [float(np.clip(end, lowest, highest)) for end in data["ci_low"].dropna()]
    ends += [float(np.clip(end, lowest, highest)) for end in data["ci_high"].dropna()]
    margin = 0.06 * (max(ends) - min(ends) or 1.0)
    return min(ends) - margin, max(ends) + margin
