"""What one panel of a figure looks like, and what all panels share: style, colours, names.

A condition's seeds are dots in the condition's colour; what has no value is written where the dots
would be. Knows the shape of the drawn data, not where it comes from.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

WIDTH = 6.8  # inches: two columns of a paper, with text that stays readable there
# Okabe & Ito 2008. Black is for vanilla; yellow comes last, since it is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
VANILLA_COLOUR = "#222222"
MARKERS = "osD^v"  # a further round of the colours gets another marker
GREY = "#707070"
STYLE: Any = {
    "font.family": "sans-serif",
    # DejaVu comes with matplotlib, so that the layout is the same everywhere; the others are for
    # whoever opens the SVG without it.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
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


def axes(
    rows: int,
    columns: int,
    size: tuple[float, float],
    sharey: bool | Literal["row"] = False,
    width_ratios: Sequence[float] | None = None,
) -> tuple[Figure, Any]:
    """A figure of `size` inches, and its axes as an array of shape (rows, columns)."""
    figure = Figure(figsize=size, layout="constrained")
    found = figure.subplots(
        rows, columns, squeeze=False, sharey=sharey, gridspec_kw={"width_ratios": width_ratios}
    )
    return figure, found


class RoomyTicks(MaxNLocator):
    """At most `most` ticks of an x axis plus one, fewer where their labels would touch."""

    def __init__(self, most: int) -> None:
        super().__init__(nbins=most, steps=[1, 2, 2.5, 5, 10])
        self.most = most

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Places of ticks, of which some may lie outside the limits."""
        axis: Any = self.axis
        points = axis.axes.get_window_extent().width / axis.get_figure().dpi * 72
        for bins in range(self.most, 0, -1):
            self.set_params(nbins=bins)
            places = super().tick_values(vmin, vmax)
            inside = [place for place in places if min(vmin, vmax) <= place <= max(vmin, vmax)]
            labels = axis.get_major_formatter().format_ticks(inside)
            # A digit of the font is about 0.64 of its size wide; half a size stays between.
            wide = (0.64 * max(map(len, labels), default=0) + 0.5) * STYLE["xtick.labelsize"]
            if len(inside) < 2 or points * (inside[1] - inside[0]) >= wide * abs(vmax - vmin):
                break
        return places


def freeze(figure: Figure) -> None:
    """Lays the figure out; nothing moves any more.

    The solver of the layout gives other last digits from run to run, which would show in the ids
    of an SVG; hence the rounding.
    """
    if figure.get_layout_engine() is None:
        return
    for _ in range(2):  # axes of equal aspect take their place at the second try
        figure.draw_without_rendering()
    figure.set_layout_engine(None)
    for ax in figure.axes:
        place = ax.get_position(original=True).bounds
        ax.set_position([round(edge, 5) for edge in place])  # type: ignore[arg-type]


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
    lines = textwrap.wrap(text, int(width * 20), max_lines=6, placeholder=" …")
    room = 0.115 * len(lines) + 0.06
    figure.set_figheight(height + room)
    share = room / (height + room)
    figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))  # type: ignore[union-attr, call-arg]
    figure.text(0.01, 0.03 / (height + room), "\n".join(lines), fontsize=6.5, color=GREY)


def key(figure: Figure, present: Sequence[str], mixes: Sequence[str]) -> None:
    """Names the colours of the mixes that are present, above all panels."""
    colours, short = mix_colours(mixes), shortened(present)
    handles = [
        Line2D([], [], color=colours[mix], marker=marker(mix, mixes), ls="", label=short[mix])
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


def mix_key(mixes: Sequence[str]) -> pd.DataFrame:
    """The key to all figures as a table: mix, colour, marker, in display order."""
    rows = [(mix, colour, marker(mix, mixes)) for mix, colour in mix_colours(mixes).items()]
    return pd.DataFrame(rows, columns=["mix", "colour", "marker"])


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
    """Names the lines of a forest; a line without a mix heads those held against the same."""
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
    freeze(figure)  # what follows measures pixels
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
    spread = max(float(spread), 0.1)  # so that a few hundredths do not look like a verdict
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
    """The axis: 0, all seeds, and the intervals unless they dwarf everything else."""
    ends = [0.0, *data["difference"].dropna()]
    span = max(ends) - min(ends) or 1.0
    lowest, highest = min(ends) - 1.5 * span, max(ends) + 1.5 * span
    ends += [float(np.clip(end, lowest, highest)) for end in data["ci_low"].dropna()]
    ends += [float(np.clip(end, lowest, highest)) for end in data["ci_high"].dropna()]
    margin = 0.06 * (max(ends) - min(ends) or 1.0)
    return min(ends) - margin, max(ends) + margin


def marker(mix: str, mixes: Sequence[str]) -> str:
    """The marker that tells a mix from others of its colour."""
    others = [name for name in mixes if name != "vanilla"]
    turn = others.index(mix) // len(COLOURS) if mix in others else 0
    return MARKERS[turn % len(MARKERS)]


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
    short = shortened(names, 16)
    for name, height in zip(names, heights, strict=True):
        ax.annotate(
            short[name], (right, height), xytext=(5, 0), textcoords="offset points", fontsize=7,
            va="center", color=colours[name], annotation_clip=False,
        )  # fmt: skip
