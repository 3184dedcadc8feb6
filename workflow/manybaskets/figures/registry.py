"""Figures: one object for each, defined beside its function, and the registry that collects them.

A file in this folder that defines a Plot registers it: the step `figures` draws it and the report
shows it with its caption. Nothing else has to be edited.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from manybaskets import plugins
from manybaskets.figures import style
from manybaskets.figures.tables import Findings

FOLDER = "figures"
# The code of the figures counts as that of a step that draws them.
LOADS = ("figures:Plot",)
KEY = "mixes.csv"  # the colour and marker of each mix, in display order

Drawing = tuple[Figure, pd.DataFrame]
Part = Literal["headlines", "collapse", "robustness", "preference", "selection", "cells"]


@dataclass(frozen=True)
class Plot:
    """A figure: its name, the part of the report that shows it, its caption, and its function.

    `draw` returns the figure and exactly the data in it, or None where there is nothing to show.
    An `optional` plot may be absent from a study; the report notes the absence of all others.
    """

    name: str
    part: Part
    caption: str
    draw: Callable[[Findings], Drawing | None]
    optional: bool = True


@functools.cache
def plots() -> dict[str, Plot]:
    """All figures by name, those that every study has first, then in the order of files.

    Raises ValueError where two figures have the same name.
    """
    by_name: dict[str, Plot] = {}
    for module in plugins.modules(FOLDER).values():
        for plot in vars(module).values():
            if not isinstance(plot, Plot):
                continue
            if by_name.setdefault(plot.name, plot) is not plot:
                raise ValueError(
                    f"{module.__file__}: there is another figure called '{plot.name}'. Give each "
                    "figure its own name."
                )
    return dict(sorted(by_name.items(), key=lambda item: item[1].optional))


def plots_of(part: str) -> list[Plot]:
    """The figures of a part of the report, in the order in which it shows them."""
    return [plot for plot in plots().values() if plot.part == part]


def draw_figures(findings: Findings, folder: Path) -> None:
    """Writes every figure into `folder` as SVG, PNG and CSV, and the key to the mixes' colours.

    The bytes depend on the data alone. Figures without anything to show are not written.
    """
    style.mix_key(findings.mixes).to_csv(folder / KEY, index=False, lineterminator="\n")
    with mpl.rc_context(style.STYLE):
        for plot in plots().values():
            drawing = plot.draw(findings)
            if drawing is not None:
                _save(plot.name, *drawing, folder)


def _save(name: str, figure: Figure, data: pd.DataFrame, folder: Path) -> None:
    style.freeze(figure)
    metadata = {"Date": None, "Creator": None, "Title": name}
    figure.savefig(folder / f"{name}.svg", metadata=metadata)
    figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})
    data.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8")
