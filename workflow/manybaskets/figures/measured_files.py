"""Measurements of several files side by side, for `manybaskets measure --plot`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from manybaskets.figures import labels, style
from manybaskets.metrics.measurement import Measurement

COLUMNS = 3
Measured = Mapping[str, Sequence[Measurement]]


def save(measured: Measured, path: Path, image: str) -> None:
    """Writes the figure to a file; `image` is svg, png or pdf."""
    with mpl.rc_context(style.STYLE):
        figure = draw(measured)
        style.freeze(figure)
        dates = {"Date": None, "Creator": None} if image == "svg" else None
        figure.savefig(path, format=image, dpi=200, metadata=dates)


def draw(measured: Measured) -> Figure:
    """Draws a panel for each metric with a value, a dot and a standard deviation for each file."""
    columns = {name: {m.metric: m for m in of_file} for name, of_file in measured.items()}
    names = list(dict.fromkeys(metric for column in columns.values() for metric in column))
    values = {
        metric: [_value(column.get(metric)) for column in columns.values()] for metric in names
    }
    drawn = [
        metric for metric in labels.by_importance(names) if any(map(np.isfinite, values[metric]))
    ]
    if not drawn:
        return style.notice("No metric has a value.")
    rows = -(-len(drawn) // COLUMNS)
    size = (style.WIDTH, rows * (0.16 * len(columns) + 0.5) + 0.2)
    figure, panels = style.axes(rows, COLUMNS, size, sharey=True)
    for ax, metric in zip(panels.flat, drawn, strict=False):
        _panel(ax, metric, columns)
    for ax in panels.flat[len(drawn) :]:
        ax.set_visible(False)
    absent = [labels.described(metric).label for metric in names if metric not in drawn]
    text = "Dots are means over subsamples, lines one standard deviation. "
    style.footnote(figure, text + (f"Without a value: {', '.join(absent)}." if absent else ""))
    return figure


def _panel(ax: Axes, metric: str, columns: Mapping[str, Mapping[str, Measurement]]) -> None:
    colours, short = style.mix_colours(list(columns)), style.shortened(list(columns))
    for place, (name, column) in enumerate(columns.items()):
        value = _value(column.get(metric))
        if not np.isfinite(value):
            across = ax.get_yaxis_transform()
            ax.text(0.02, place, "no value", color=style.GREY, fontsize=6.5, va="center",
                    transform=across)  # fmt: skip
            continue
        ax.axhline(place, color="#ececec", linewidth=0.6, zorder=0)
        spread = column[metric].spread or 0.0
        ends = value - spread, value + spread
        ax.plot(ends, [place, place], color=colours[name], linewidth=1.1, zorder=2)
        ax.plot(
            value, place, style.marker(name, list(columns)), color=colours[name], ms=4, zorder=3
        )
    ax.set_title(labels.described(metric).label, loc="left", fontsize=7)
    ax.set_yticks(range(len(columns)))
    ax.set_yticklabels([short[name] for name in columns])
    ax.set_ylim(len(columns) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(style.RoomyTicks(4))
    ax.margins(x=0.08)


def _value(measurement: Measurement | None) -> float:
    return np.nan if measurement is None or measurement.value is None else measurement.value
