"""How often words occur, by rank: beside human text, and as a ratio to it."""

import numpy as np

from manybaskets.figures import lines, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings
from manybaskets.findings.training_curves import PEOPLE

LEAST_BEYOND = 0.05  # share of human text; a ratio to a smaller share is noise


def draw_ranks(findings: Findings) -> Drawing | None:
    """Frequency of words by rank, and the share of rarer words as a ratio to human text."""
    data = findings.ranks
    if data.empty:
        return None
    targets = sorted(data["target"].unique())
    size = (style.WIDTH, 2.6 * len(targets) + 0.2)
    figure, axes = style.axes(len(targets), 2, size)
    for (left, right), target in zip(axes, targets, strict=True):
        of_target = data[data["target"] == target]
        people = of_target[of_target["mix"] == PEOPLE]
        models = of_target[of_target["mix"] != PEOPLE]
        for mix, of_mix in models.groupby("mix"):
            colour = style.mix_colours(findings.mixes)[mix]
            lines.seed_lines(left, of_mix, "rank", colour, "frequency", thick=0.8)
        left.plot(people["rank"], people["frequency"], "--", color="black", linewidth=1.2)
        left.set(xscale="log", yscale="log")
        lines.plain_ticks(left)
        title = "frequency of words"
        left.set_title(f"{target}: {title}" if len(targets) > 1 else title, loc="left")
        left.set_xlabel("rank of the word")
        rare = people[people["beyond"] >= LEAST_BEYOND]
        if len(rare) < 2:
            right.set_visible(False)
            continue
        known = models[models["rank"].between(rare["rank"].min(), rare["rank"].max())]
        of_people = np.interp(
            np.log(known["rank"].to_numpy(dtype=float)),
            np.log(rare["rank"].to_numpy(dtype=float)),
            rare["beyond"].to_numpy(dtype=float),
        )
        right.set_xscale("log")
        right.axhline(1, color="black", linestyle="--", linewidth=1.2, zorder=1)
        ratio = known.assign(ratio=known["beyond"] / of_people)
        lines.labelled_lines(right, ratio, ("rank", "ratio"), findings.mixes)
        lines.plain_ticks(right)
        right.set_title("share of rarer words, as a ratio to human text's", loc="left")
        right.set_xlabel("rank from which words count as rare")
    words = int(data["words"].iloc[0])
    style.footnote(
        figure,
        f"Every text cut to {words:,} words. Dashed: human text. Thin: every seed. Below 1 "
        "on the right, the text has fewer rare words than human text.",
    )
    return figure, data


RANKS = Plot(
    "ranks",
    "collapse",
    "Left: how often words occur, by rank, beside human text. Right: the share of text made "
    "of rarer words, as a ratio to that of human text.",
    draw_ranks,
)
