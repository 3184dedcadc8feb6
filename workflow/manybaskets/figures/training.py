"""Training loss by step."""

from manybaskets.figures import lines, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings


def draw_training(findings: Findings) -> Drawing | None:
    """Training loss by step, a panel per target, a line per seed."""
    data = findings.training
    if data.empty:
        return None
    targets = sorted(data["target"].unique())
    figure, axes = lines.grid(len(targets), columns=min(2, len(targets)), shape=0.6)
    for ax, target in zip(axes, targets, strict=True):
        of_target = data[data["target"] == target]
        lines.labelled_lines(ax, of_target, ("step", "loss"), findings.mixes)
        ax.set_title(target if len(targets) > 1 else "", loc="left")
        ax.set_xlabel("step")
        ax.set_ylabel("training loss (nats per token)")
    style.footnote(figure, "Thin: every seed. Thick: their mean.")
    return figure, data


TRAINING = Plot(
    "training",
    "cells",
    "Training loss.",
    draw_training,
)
