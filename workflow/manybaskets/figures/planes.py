"""Two metrics against each other: the collapse probe and the robustness probe."""

from collections.abc import Sequence

import pandas as pd

from manybaskets.figures import labels, marks, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings

SUCCESS = "attack_success_rate"
MOST_PANELS = 24  # of a figure of small multiples

Panel = tuple[str, str, tuple[str, str], tuple[str, str]]  # title, target, metrics of x and y


def draw_collapse(findings: Findings) -> Drawing:
    """Fit to human text against variety, one panel per target."""
    several = len(findings.targets) > 1
    plots: list[Panel] = [
        (target if several else "", target, ("bits_per_byte", "test"), ("self_bleu", "test"))
        for target in findings.targets
    ]
    axes = labels.axis("bits_per_byte"), labels.axis("self_bleu")
    return _planes(findings, plots, axes, "collapse")


def draw_robustness(findings: Findings) -> Drawing:
    """Successes of attacks against refusals of harmless requests, a panel per attack.

    Tables without successes have refusals of requests that must be declined in their place.
    """
    metric = "refusal_rate" if findings.of(SUCCESS).empty else SUCCESS
    item_sets = sorted(set(findings.of(metric)["item_set"]))
    attacks = [name.partition("/")[2] for name in item_sets if name.startswith("decline/")]
    attacks = [attack for attack in attacks if "/" not in attack]  # by rules, not by a judge
    attacks.sort(key=lambda attack: (attack != "direct", attack))
    left_out = ""
    if len(attacks) * len(findings.targets) > MOST_PANELS:  # keep those that differ most
        spread = findings.of(metric).groupby("item_set")["value"].std().fillna(0.0)
        attacks.sort(key=lambda a: (a != "direct", -spread.get(f"decline/{a}", 0.0)))
        room = max(1, MOST_PANELS // len(findings.targets))
        left_out = f"The {room} of {len(attacks)} attacks under which cells differ most. "
        attacks = attacks[:room]
    several = len(findings.targets) > 1
    plots: list[Panel] = []
    for target in findings.targets:
        for attack in attacks:
            title = "without attack" if attack == "direct" else f"attack: {attack}"
            plots.append(
                (
                    f"{target}, {title}" if several else title,
                    target,
                    ("refusal_rate", "harmless/direct"),
                    (metric, f"decline/{attack}"),
                )
            )
    done = "answered" if metric == SUCCESS else "refused"
    axes = ("harmless requests refused", f"harmful requests {done}")
    alike = (1.0, 0.0) if metric == SUCCESS else (0.0, 1.0)
    return _planes(findings, plots, axes, "robustness", alike, left_out)


def _planes(
    findings: Findings,
    plots: Sequence[Panel],
    axis_labels: tuple[str, str],
    probe: str,
    rates: tuple[float, float] | None = None,
    note: str = "",
) -> Drawing:
    """Small multiples of two metrics against each other; rates all on the same axes.

    `rates` are the heights, at 0 and 1, of the line on which a model
    treats both kinds of items alike.
    """
    parts = [_plane_data(findings, panel) for panel in plots]
    data = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if data.empty:
        return style.notice(f"The {probe} probe was not measured."), data
    columns = min(3, len(plots))
    rows = -(-len(plots) // columns)
    width = style.WIDTH if columns > 1 else 4.8
    shape = 0.9 if rates else 0.72
    figure, axes = style.axes(rows, columns, (width, rows * (width / columns * shape) + 0.4))
    colours = style.mix_colours(findings.mixes)
    for ax, (title, *_), part in zip(axes.flat, plots, parts, strict=False):
        ax.set_title(title, loc="left")
        if rates:
            ax.set(xlim=(-0.06, 1.06), ylim=(-0.06, 1.06), aspect="equal")
            ax.plot([0, 1], rates, color="#dddddd", linewidth=0.8, zorder=0)
        for mix, cloud in part.dropna().groupby("mix"):
            marks.cloud(ax, cloud, colours[mix], style.marker(mix, findings.mixes))
    for place, ax in enumerate(axes.flat):
        ax.set_visible(place < len(plots))
        if place % columns == 0:
            ax.set_ylabel(axis_labels[1])
        if place + columns >= len(plots):
            ax.set_xlabel(axis_labels[0])
    present = [mix for mix in findings.mixes if data["mix"].eq(mix).any()]
    if len(plots) > 1:
        style.key(figure, present, findings.mixes)
    used = [findings.of(*metric) for metric in dict.fromkeys(m for plot in plots for m in plot[2:])]
    style.footnote(figure, note + labels.without_value(pd.concat(used)))
    if len(plots) == 1:
        marks.label_clouds(figure, axes.flat[0], data.dropna(), present, colours)
    return figure, data


def _plane_data(findings: Findings, panel: Panel) -> pd.DataFrame:
    title, target, x, y = panel
    sides = []
    for name, metric in (("x", x), ("y", y)):
        values = findings.of(*metric)
        values = values[values["target"] == target]
        sides.append(values.set_index(["target", "mix", "seed"])["value"].rename(name))
    data = pd.concat(sides, axis=1).sort_index().reset_index()
    data.insert(0, "panel", title or target)
    return data


COLLAPSE = Plot(
    "collapse",
    "collapse",
    "Fit to held-out human text against variety of the model's own text. Each dot is a "
    "seed, tied to the mean of its condition. Bottom left is best.",
    draw_collapse,
    optional=False,
)

ROBUSTNESS = Plot(
    "robustness",
    "robustness",
    "Share of harmful requests that are answered, under each attack, against share of "
    "harmless look-alikes that are refused. Each dot is a seed. Bottom left is best; on the "
    "line a model treats both kinds of requests alike. Answered is defined by rules: "
    "coherent and not a refusal; harm itself needs a judge.",
    draw_robustness,
    optional=False,
)
