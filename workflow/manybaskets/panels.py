"""What one panel of a figure looks like, and what all panels share: style, colours, names.

A condition's seeds are dots in the condition's colour; what has no value is written where the dots
would be. Knows the shape of the drawn data, not where it comes from.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

WIDTH = 6.8  # inches: two columns of a paper, with text that stays readable there
# Okabe & Ito 2008. Black is for vanilla; yellow comes last, since it is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
VANILLA_COLOUR = "#222222"
MARKERS = "osD^v"  # a further round of the colours gets another marker
GREY = "#707070"
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    # DejaVu comes with matplotlib, so that the layout is the same everywhere; the others are for
    # whoever opens the SVG without it.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#555555",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "manybaskets",
    "savefig.facecolor": "white",
}


def axes(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    options = {"sharey": False} | options
    widths = options.pop("width_ratios", None)
    return figure, figure.subplots(
        rows, columns, squeeze=False, gridspec_kw={"width_ratios": widths}, **options
    )


def notice(text: str) -> Figure:
    """A figure that says why there is none."""
    figure = Figure(figsize=(4.6, 0.6))
    figure.text(0.02, 0.5, text, color=GREY, va="center")
    return figure


def footnote(figure: Figure, text: str) -> None:
    """Small text below everything else, for what the figure cannot show."""
    if not text.strip():
        return
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(text, int(width * 17), max_lines=6, placeholder=" …")
    room = 0.115 * len(lines) + 0.06
    figure.set_figheight(height + room)
    share = room / (height + room)
    figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))  # type: ignore[union-attr]
    figure.text(0.01, 0.03 / (height + room), "\n".join(lines), fontsize=6.5, color=GREY)


def key(figure: Figure, present: Sequence[str], mixes: Sequence[str]) -> None:
    colours, short = mix_colours(mixes), shortened(present)
    handles = [
        Line2D([], [], color=colours[mix], marker=_marker(mix, mixes), linestyle="", label=short[mix])
        for mix in present
    ]
    widest = max(map(len, short.values())) * 0.07 + 0.35
    columns = max(1, int(figure.get_figwidth() / widest))
    lines = -(-len(present) // columns)
    figure.set_figheight(figure.get_figheight() + 0.17 * lines)
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, handletextpad=0.1)


def mix_colours(mixes: Sequence[str]) -> dict[str, str]:
    """One colour per mix, in display order; vanilla is black wherever it stands."""
    others = [mix for mix in mixes if mix != "vanilla"]
    colours = {mix: COLOURS[i % len(COLOURS)] for i, mix in enumerate(others)}
    return {mix: colours.get(mix, VANILLA_COLOUR) for mix in mixes}


def shortened(names: Sequence[str], length: int = 20) -> dict[str, str]:
    """Each name, cut in the middle where it is longer than `length`; still all different."""
    short: dict[str, str] = {}
    for name in dict.fromkeys(names):
        label = name
        if len(name) > length:
            label = f"{name[: length // 2]}…{name[len(name) - length // 2 + 1 :]}"
        count = sum(name != other and label == taken for other, taken in short.items())
        while label in short.values():
            count += 1
            label = f"{label[: length - 4]}… {count + 1}"
        short[name] = label
    return short


def forest(
    ax: Axes,
    data: pd.DataFrame,
    places: Mapping[tuple[str, str | None], int],
    colours: Mapping[str, str],
) -> None:
    ax.axvline(0, color=GREY, linewidth=0.7, zorder=0)
    limit = _forest_limit(data)
    for row in data.to_dict("records"):
        place, colour = places[row["against"], row["mix"]], colours[row["mix"]]
        if row["kind"] == "seed":
            ax.plot(
                row["difference"], place, "o", color=colour, markersize=3, alpha=0.55, mew=0, zorder=3
            )
        elif pd.isna(row["difference"]):
            ax.text(0.02 * limit, place, "no value", color=GREY, fontsize=6.5, va="center")
        elif pd.isna(row["ci_low"]):
            ax.plot(row["difference"], place, "|", color=colour, markersize=9, zorder=4)
            side = -1 if row["difference"] > 0 else 1
            ax.text(
                0.04 * side * limit,
                place,
                "no test",
                color=GREY,
                fontsize=6.5,
                va="center",
                ha="left" if side > 0 else "right",
            )
        else:
            _interval(ax, row, place, colour, limit)
    ax.set_xlim(-limit, limit)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=5)


def forest_labels(ax: Axes, lines: Sequence[tuple[str, str | None]]) -> None:
    short = shortened([name for line in lines for name in line if name], 22)
    ax.set_yticks(range(len(lines)))
    ax.set_yticklabels(
        [short[mix] if mix else f"against {short[against]}" for against, mix in lines]
    )
    for tick, (_, mix) in zip(ax.get_yticklabels(), lines, strict=True):
        if mix is None:
            tick.set_color(GREY)
            tick.set_fontstyle("italic")
    ax.set_ylim(len(lines) - 0.4, -0.6)


def cloud(ax: Axes, cloud: pd.DataFrame, colour: str, marker: str) -> None:
    """The seeds of a condition, tied to their mean so that they read as one."""
    x, y = cloud["x"].mean(), cloud["y"].mean()
    for row in cloud.itertuples():
        ax.plot([x, row.x], [y, row.y], color=colour, linewidth=0.6, alpha=0.6, zorder=2)
    ax.plot(
        cloud["x"], cloud["y"], marker, color=colour, markersize=5, alpha=0.85, mec="white", mew=0.5,
        zorder=3, clip_on=False,
    )  # fmt: skip


def label_clouds(
    figure: Figure, ax: Axes, data: pd.DataFrame, mixes: Sequence[str], colours: Mapping[str, str]
) -> None:
    """Writes each condition's name beside its seeds, where it covers no dot and no other name."""
    ax.margins(0.14)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # what follows measures pixels, so nothing may move any more
    renderer = canvas.get_renderer()
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
        text.set_position(best)
        taken.append(place)
        if np.hypot(*best) - size.width / scale / 2 > 12:
            ax.annotate(
                "", centre, xytext=best, textcoords="offset points", zorder=1,
                arrowprops={"arrowstyle": "-", "color": colours[mix], "linewidth": 0.5},
            )  # fmt: skip


def heat_map(ax: Axes, matrix: pd.DataFrame, own: str | None) -> None:
    """Mean preferences around 0.5, each written into its cell, the judge's own origin framed."""
    values = matrix.to_numpy(dtype=float)
    spread = np.nanmax(np.abs(values - 0.5)) if np.isfinite(values).any() else 0.0
    spread = max(float(spread), 0.05)
    ax.pcolormesh(
        np.ma.masked_invalid(values), cmap="PuOr_r", vmin=0.5 - spread, vmax=0.5 + spread,
        edgecolors="white", linewidth=1.5,
    )  # fmt: skip
    for (row, column), value in np.ndenumerate(values):
        strong = abs(value - 0.5) > 0.7 * spread
        text, colour = (f"{value:.2f}", "white" if strong else "#222222")
        if np.isnan(value):
            text, colour = "no value", GREY
        ax.text(column + 0.5, row + 0.5, text, color=colour, fontsize=7, ha="center", va="center")
    names = list(matrix.columns)
    if own in names:
        place = (names.index(own), 0)
        ax.add_patch(
            Rectangle(place, 1, len(matrix), fill=False, edgecolor="black", lw=1.3, clip_on=False)
        )
    short = shortened(names, 12)
    ax.set_xticks(np.arange(len(names)) + 0.5)
    ax.set_xticklabels([short[n] + (" (own)" if n == own else "") for n in names], fontsize=7)
    if any(len(label.get_text()) > 9 for label in ax.get_xticklabels()) or len(names) > 8:
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def strip(
    ax: Axes, data: pd.DataFrame, mixes: Sequence[str], colours: Mapping[str, str], middle: float = 0
) -> None:
    """Conditions on y, every seed a dot, the mean a tick."""
    for place, mix in enumerate(mixes):
        values = data.loc[data["mix"] == mix, "value"]
        y = place + middle
        if values.notna().sum() == 0:
            text = "no value" if len(values) else "not measured"
            ax.text(
                0.02, y, text, color=GREY, fontsize=6.5, va="center", transform=ax.get_yaxis_transform()
            )
            continue
        ax.axhline(y, color="#ececec", linewidth=0.6, zorder=0)
        ax.plot(
            values, [y] * len(values), "o", color=colours[mix], markersize=4, alpha=0.6, mew=0, zorder=3
        )
        ax.plot(values.mean(), y, "|", color=colours[mix], markersize=9, mew=1.5, zorder=4)
    short = shortened(mixes)
    ax.set_yticks([place + middle for place in range(len(mixes))])
    ax.set_yticklabels([short[mix] for mix in mixes])
    ax.set_ylim(len(mixes) - 0.5 + middle, -0.5 + middle)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=4)
    ax.margins(x=0.08)


def _interval(ax: Axes, row: Mapping[str, Any], place: int, colour: str, limit: float) -> None:
    edge = 0.97 * limit
    low, high = max(row["ci_low"], -edge), min(row["ci_high"], edge)
    ax.plot([low, high], [place, place], color=colour, linewidth=1.3, zorder=2)
    for end, marker in ((low, "<"), (high, ">")):
        if abs(end) == edge:
            ax.plot(end, place, marker, color=colour, markersize=3.5, mew=0, zorder=2)
    fill = colour if row["decided"] else "white"
    ax.plot(
        row["difference"], place, "D", color=colour, markerfacecolor=fill, markersize=5, zorder=4
    )


def _forest_limit(data: pd.DataFrame) -> float:
    """Half the width of the axis: all seeds, and intervals unless they dwarf everything else."""
    seeds = float(data["difference"].abs().max())
    intervals = float(data[["ci_low", "ci_high"]].abs().max().max())
    if not seeds > 0:
        return 1.0
    return 1.15 * (min(intervals, 4 * seeds) if intervals > seeds else seeds)


def _marker(mix: str, mixes: Sequence[str]) -> str:
    others = [name for name in mixes if name != "vanilla"]
    turn = others.index(mix) // len(COLOURS) if mix in others else 0
    return MARKERS[turn % len(MARKERS)]
