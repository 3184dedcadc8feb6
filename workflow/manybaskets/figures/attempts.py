"""Attacks that are tried several times: requests answered within n attempts."""

import pandas as pd

from manybaskets.figures import lines, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings

MOST_PANELS = 12


def draw_attempts(findings: Findings) -> Drawing | None:
    """Share of requests answered within n attempts, over n, a panel per attack."""
    rows = findings.of("success_at_n").dropna(subset=["value"])
    names = rows["item_set"].str.extract(r"^decline/(?P<attack>.+)/n=(?P<attempts>\d+)$")
    data = pd.concat([rows[["target", "mix", "seed", "value"]], names], axis=1)
    data = data.dropna(subset=["attempts"]).astype({"attempts": int})
    plots = sorted(set(zip(data["target"], data["attack"], strict=True)))[:MOST_PANELS]
    if not plots:
        return None
    figure, axes = lines.grid(len(plots), columns=min(2, len(plots)), shape=0.6)
    for ax, (target, attack) in zip(axes, plots, strict=True):
        of_panel = data[(data["target"] == target) & (data["attack"] == attack)]
        ax.set_xscale("log", base=2)
        ax.set_ylim(-0.03, 1.03)  # before the lines, whose names are kept apart on this scale
        lines.labelled_lines(ax, of_panel, ("attempts", "value"), findings.mixes, dots=True)
        ax.set_xticks(sorted(set(of_panel["attempts"])))
        lines.plain_ticks(ax)
        ax.set_title(f"{target}: {attack}" if len(findings.targets) > 1 else attack, loc="left")
        ax.set_xlabel("attempts at a request", color=style.GREY)
        ax.set_ylabel("requests answered at least once")
    return figure, data[["target", "attack", "mix", "seed", "attempts", "value"]]


ATTEMPTS = Plot(
    "attempts",
    "robustness",
    "Requests that must be declined and are answered at least once, over the number of "
    "attempts with different noise; estimated from all attempts without bias.",
    draw_attempts,
)
