"""Figures of an eigenvalue study, from its tables."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from manybaskets.figures import marks, style
from manybaskets.simulations.eigenvalues.findings import GENERATOR, in_words

Tables = Mapping[str, pd.DataFrame]
NO_SELECTION = 0.5  # p* if correct and wrong labels are kept with equal probability


def draw_arms(tables: Tables, spec: Mapping[str, Any]) -> Figure:
    """Returns the accuracy of each arm, with a dot per seed, and accuracy against p*."""
    tolerance, arms = spec["tolerance"], spec["arms"]
    at = tables["accuracy"]
    at = at[at["tolerance"] == tolerance].rename(columns={"arm": "mix"})
    colours = style.mix_colours(["vanilla", *arms]) | {GENERATOR: style.VANILLA_COLOUR}
    height = 0.24 * len(arms) + 1.0
    figure, axes = style.axes(1, 2, (style.WIDTH, height), width_ratios=[1.15, 1])
    left, right = axes[0]
    marks.strip(left, at, [GENERATOR, *arms], colours)
    level = at.loc[at["mix"] == GENERATOR, "value"].mean()
    left.axvline(level, color=style.GREY, linewidth=0.7, linestyle="--", zorder=0)
    left.set_xlabel(f"correct answers at a tolerance of {100 * tolerance:g} %")
    selections = _against(tables["selections"], at)
    for arm, of_arm in selections.groupby("arm", sort=False):
        for mark in of_arm.to_dict("records"):
            right.plot((mark["low"], mark["high"]), [mark["value"]] * 2, color=colours[arm],
                       linewidth=0.8, alpha=0.6, zorder=2)  # fmt: skip
        shape = style.marker(str(arm), ["vanilla", *arms])
        right.plot(of_arm["p_star"], of_arm["value"], shape, color=colours[arm], ms=4.5, mew=0,
                   alpha=0.8, zorder=3)  # fmt: skip
    right.axhline(level, color=style.GREY, linewidth=0.7, linestyle="--", zorder=0)
    right.axvline(NO_SELECTION, color="#dddddd", linewidth=0.8, zorder=0)
    right.set(xlim=(0.4, 1.04), xlabel="p*", ylabel="correct answers")
    p = selections["p"].min()
    style.footnote(
        figure,
        "Left: dots are seeds, ticks are means; dashed: the generators. Right: the same colours "
        "over the breakdown point p* of the selection, with its 95 % interval; p* is a proxy that "
        f"ranks selections, not a threshold (the error rate is at least {p:.2f}, and p* is 0.5 "
        f"without selection). {in_words(tables['ranking'].iloc[0])}.",
    )
    return figure


def draw_decoding(tables: Tables, spec: Mapping[str, Any]) -> Figure:
    """Returns the generators' accuracy by the number of answers that an oracle chooses from."""
    tolerance = spec["tolerance"]
    at = tables["decoding"]
    at = at[at["tolerance"] == tolerance]
    figure, axes = style.axes(1, 1, (4.6, 2.6))
    ax = axes[0][0]
    for name, first, colour in (
        ("samples", "sample", style.COLOURS[0]),
        ("beams", "greedy", style.COLOURS[1]),
    ):
        best = at[at["decoding"].isin([first, f"best of {name}"])]
        for _, of_seed in best.groupby("seed"):
            ax.plot(of_seed["candidates"], of_seed["value"], "o-", color=colour, ms=3, mew=0,
                    linewidth=0.8, alpha=0.7)  # fmt: skip
        chosen = at[at["decoding"] == f"least perplexing of {name}"]
        ax.plot(chosen["candidates"], chosen["value"], "x", color=colour, ms=4)
        ax.plot([], [], "o-", color=colour, ms=3, label=name)
    counts = sorted(at["candidates"].unique())
    ax.set_xscale("log")
    ax.set_xticks(counts, [str(count) for count in counts])
    ax.minorticks_off()
    ax.set_ylim(bottom=0)
    ax.set(xlabel="answers", ylabel=f"correct at {100 * tolerance:g} %")
    ax.legend(loc="upper left")
    style.footnote(
        figure,
        "Dots: the answer nearest to the truth among this number (one: a sample, or greedy), with "
        "a line per seed. Crosses: the answer with the lowest perplexity under the generator.",
    )
    return figure


FIGURES: dict[str, Callable[[Tables, Mapping[str, Any]], Figure]] = {
    "arms": draw_arms,
    "decoding": draw_decoding,
}


def _against(selections: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Returns the selections with a p*, joined with the accuracy of the same seed's student."""
    values = accuracy.rename(columns={"mix": "arm"})[["arm", "seed", "value"]]
    known = selections.dropna(subset=["p_star"])
    return known.merge(values, on=["arm", "seed"], how="inner")
