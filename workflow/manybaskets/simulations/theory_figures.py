"""Figures of a theory study, each from the table of one part."""

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from manybaskets.figures import style

ERROR, ACCURACY = "share of wrong labels before selection, p", "accuracy"


def draw_phases(data: pd.DataFrame) -> Figure:
    """Returns accuracy over error rates, with a panel per verifier.

    Dots and bands are simulated, lines are closed forms.
    """
    verifiers = list(data.groupby(["phi", "psi"], sort=False))
    sizes = sorted(data["rows"].unique())
    figure, axes = style.axes(1, len(verifiers), (style.WIDTH, 2.4), sharey=True)
    closed = "closed_form" in data
    for ax, ((phi, psi), of_panel) in zip(axes[0], verifiers, strict=True):
        for size, colour in zip(sizes, style.COLOURS, strict=False):
            part = of_panel[of_panel["rows"] == size]
            _banded(ax, part, "p", "value", colour, line=not closed)
            if closed:
                ax.plot(part["p"], part["closed_form"], color=colour, linewidth=1)
        p_star, best = of_panel["p_star"].iloc[0], abs(of_panel["limit"] - 0.5).max() + 0.5
        for side, height in (((0, p_star), best), ((p_star, 1), 1 - best)):
            ax.plot(side, (height, height), color=style.GREY, linewidth=0.8, linestyle=":")
        ax.axvline(p_star, color=style.GREY, linewidth=0.7, zorder=0)
        ax.text(p_star - 0.02, 0.02, f"p* = {p_star:.3g}", rotation=90, fontsize=6.5,
                color=style.GREY, ha="right", va="bottom")  # fmt: skip
        ax.set_title(f"φ = {phi:g}, ψ = {psi:g}", loc="left")
        ax.set(xlim=(-0.03, 1.03), ylim=(0, 1))
    axes[0][0].set_ylabel(ACCURACY)
    axes[0][len(verifiers) // 2].set_xlabel(ERROR)
    _legend(figure, [f"N = {size:,}" for size in sizes])
    lines = "lines: closed form at finite d/N; " if closed else ""
    style.footnote(
        figure,
        f"d = {data['dimension'].iloc[0]}. Dots: mean of simulations with its 95 % interval; "
        f"{lines}dotted: infinite data.",
    )
    return figure


def draw_directions(data: pd.DataFrame) -> Figure:
    """Returns accuracy over the number of rows, with a line per condition and its best size."""
    conditions = list(dict.fromkeys(data["condition"]))
    figure, axes = style.axes(1, 1, (5.2, 3.0))
    ax = axes[0][0]
    for condition, colour in zip(conditions, style.COLOURS, strict=False):
        part = data[data["condition"] == condition]
        _banded(ax, part, "rows", "value", colour, line=True)
        best = part.loc[part["value"].idxmax()]
        ax.plot(best["rows"], best["value"], "o", color=colour, ms=7, mfc="none", mew=1)
    ax.set_xscale("log")
    sizes = sorted(data["rows"].unique())
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    ax.set_xlabel("rows before selection")
    ax.set_ylabel(ACCURACY)
    _legend(figure, conditions)
    style.footnote(
        figure,
        "Logistic regression on a linear generator's labels. Bands: 95 % interval over "
        "repetitions. Circles: best size of each condition; beyond it, more data lower accuracy.",
    )
    return figure


def draw_geometry(data: pd.DataFrame) -> Figure:
    """Returns p* over the verifier's angle, by the relation of its errors to the generator's."""
    generators = list(dict.fromkeys(data["generator"]))
    sides = list(dict.fromkeys(data["errors"]))
    figure, axes = style.axes(1, len(generators), (style.WIDTH, 2.3), sharey=True)
    for ax, generator in zip(axes[0], generators, strict=True):
        of_panel = data[data["generator"] == generator]
        for side, colour in zip(sides, style.COLOURS, strict=False):
            part = of_panel[of_panel["errors"] == side]
            ax.plot(part["verifier"], part["p_star"], color=colour, linewidth=1.2)
        ax.axhline(of_panel["p"].iloc[0], color=style.GREY, linewidth=0.7, linestyle="--")
        ax.set_title(f"generator at {generator:.3g}π, p = {of_panel['p'].iloc[0]:.3g}", loc="left")
    axes[0][0].set_ylabel("p*")
    axes[0][len(generators) // 2].set_xlabel("verifier's angle with the truth, in units of π")
    _legend(figure, sides)
    style.footnote(
        figure, "Dashed: the generator's error rate; with p* above it, students learn the truth."
    )
    return figure


def draw_gaussian_loops(data: pd.DataFrame) -> Figure:
    """Returns the variance of the model over generations, with a panel per sampling spread."""
    return _loops(data, list(data.groupby("spread", sort=False)), "variance, real = 1", "spread")


def draw_regression_loops(data: pd.DataFrame) -> Figure:
    """Returns the test error of a linear regression over generations."""
    return _loops(data, [("", data)], "excess test error", "")


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "ridge": draw_phases,
    "logistic": draw_phases,
    "directions": draw_directions,
    "geometry": draw_geometry,
    "gaussian_loops": draw_gaussian_loops,
    "regression_loops": draw_regression_loops,
}


def _loops(
    data: pd.DataFrame, parts: list[tuple[object, pd.DataFrame]], label: str, title: str
) -> Figure:
    regimes = list(dict.fromkeys(data["regime"]))
    size = (style.WIDTH if len(parts) > 1 else 4.4, 2.5)
    figure, axes = style.axes(1, len(parts), size, sharey=True)
    for ax, (name, of_panel) in zip(axes[0], parts, strict=True):
        for regime, colour in zip(regimes, style.COLOURS, strict=False):
            part = of_panel[of_panel["regime"] == regime]
            ax.fill_between(part["generation"], part["low"], part["high"], color=colour, alpha=0.2,
                            linewidth=0)  # fmt: skip
            ax.plot(part["generation"], part["closed_form"], color=colour, linewidth=1)
        ax.set_xlabel("generation")
        if title:
            ax.set_title(f"{title} {name}", loc="left")
    axes[0][0].set_ylabel(label)
    axes[0][0].set_ylim(bottom=0)
    _legend(figure, regimes)
    style.footnote(figure, "Lines: closed form. Bands: 95 % interval of the simulations' mean.")
    return figure


def _banded(ax: Axes, part: pd.DataFrame, x: str, y: str, colour: str, line: bool) -> None:
    if line:
        ax.fill_between(part[x], part["low"], part["high"], color=colour, alpha=0.2, linewidth=0)
        ax.plot(part[x], part[y], color=colour, linewidth=1, marker="o", ms=2.5, mew=0)
        return
    errors = [part[y] - part["low"], part["high"] - part[y]]
    ax.errorbar(part[x], part[y], errors, fmt="o", color=colour, ms=2.5, mew=0, elinewidth=0.8)


def _legend(figure: Figure, names: list[str]) -> None:
    handles = [
        Line2D([], [], color=colour, linewidth=1.5, label=name)
        for name, colour in zip(names, style.COLOURS, strict=False)
    ]
    columns = max(1, int(figure.get_figwidth() / (max(map(len, names)) * 0.075 + 0.5)))
    figure.set_figheight(figure.get_figheight() + 0.17 * -(-len(names) // columns))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
