"""The style that all figures share: sizes, colours and markers of mixes, names, footnotes."""

import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

WIDTH = 6.8  # inches: two columns of a paper, with text that stays readable there
# Okabe & Ito 2008. Black is for vanilla; yellow comes last, since it is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
VANILLA_COLOUR = "#222222"
MARKERS = "osD^v"  # a further round of the colours gets another marker
GREY = "#707070"
STYLE: Any = {
    "font.family": "sans-serif",
    # DejaVu comes with matplotlib, so that the layout is the same everywhere; the others are
    # fallbacks of browsers that open the SVG.
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
    panels = figure.subplots(
        rows, columns, squeeze=False, sharey=sharey, gridspec_kw={"width_ratios": width_ratios}
    )
    return figure, panels


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
    """Lays the figure out and fixes all positions.

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
    """A small figure with the reason why there is nothing to draw."""
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
    """One colour per mix, in display order; vanilla is black wherever it is in the order."""
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


def marker(mix: str, mixes: Sequence[str]) -> str:
    """The marker that distinguishes a mix from others of its colour."""
    others = [name for name in mixes if name != "vanilla"]
    turn = others.index(mix) // len(COLOURS) if mix in others else 0
    return MARKERS[turn % len(MARKERS)]
