"""Forest of the primary contrasts: interval, mean difference, every seed's difference."""

from typing import Any

import pandas as pd

from manybaskets.figures import labels, marks, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings

PROBES = ("collapse", "robustness", "preference")


def draw_contrasts(findings: Findings) -> Drawing:
    """A forest of the primary contrasts: interval, mean difference, every seed's difference."""
    primary = findings.contrasts[findings.contrasts["family"] == "primary"]
    data = pd.DataFrame(_forest_rows(findings, primary))
    if data.empty:
        return style.notice("There are no primary contrasts."), data
    named = zip(data["probe"], data["metric"], data["item_set"], strict=True)
    metrics = [name[1:] for name in sorted(set(named), key=lambda name: _rank(name[0]))]
    targets = list(dict.fromkeys(data["target"]))
    pairs = list(dict.fromkeys(zip(data["against"], data["mix"], strict=True)))
    lines: list[tuple[str, str | None]] = []
    for against in dict.fromkeys(against for against, _ in pairs):
        lines += [(against, None), *(pair for pair in pairs if pair[0] == against)]
    height = len(targets) * (0.165 * len(lines) + 0.55) + 0.25
    figure, axes = style.axes(len(targets), len(metrics), (style.WIDTH, height), sharey=True)
    places = {line: place for place, line in enumerate(lines)}
    for row, target in enumerate(targets):
        for ax, (metric, item_set) in zip(axes[row], metrics, strict=True):
            of_panel = data[
                (data["target"] == target)
                & (data["metric"] == metric)
                & (data["item_set"] == item_set)
            ]
            marks.forest(ax, of_panel, places, style.mix_colours(findings.mixes))
            name = labels.label(metric, item_set)
            ax.set_title(name if len(targets) == 1 else f"{target}: {name}", loc="left")
            ax.set_xlabel("difference", color=style.GREY)
        marks.forest_labels(axes[row][0], lines)
    style.footnote(
        figure,
        "Filled: decided after adjusting for the number of comparisons; open: not decided. "
        "Small dots: difference of the same seed under both mixes.",
    )
    return figure, data


def _forest_rows(findings: Findings, primary: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per contrast, then one per seed of both mixes: the difference of that seed."""
    rows = []
    for contrast in primary.to_dict("records"):
        key = {
            name: contrast[name]
            for name in ("target", "probe", "metric", "item_set", "mix", "against")
        }
        numbers = ("difference", "ci_low", "ci_high", "p_adjusted", "decided")
        rows.append(key | {"kind": "mean", "seed": None} | {n: contrast[n] for n in numbers})
        values = findings.of(contrast["metric"], contrast["item_set"])
        values = values[(values["target"] == contrast["target"])]
        of_mix, of_against = (
            values[values["mix"] == contrast[side]].set_index("seed")["value"]
            for side in ("mix", "against")
        )
        for seed, difference in (of_mix - of_against).dropna().sort_index().items():
            rows.append(key | {"kind": "seed", "seed": seed, "difference": difference})
    return rows


CONTRASTS = Plot(
    "contrasts",
    "headlines",
    "Primary contrasts with their intervals. Filled: decided after adjusting for the number "
    "of comparisons; open: not decided; an arrow head: the interval extends beyond the "
    "axis; no test: fewer than two seeds with a value, or no variation over seeds.",
    draw_contrasts,
    optional=False,
)


def _rank(probe: str) -> tuple[int, str]:
    """The place of a probe: the three of every study first, then others by name."""
    return (PROBES.index(probe) if probe in PROBES else len(PROBES), probe)
