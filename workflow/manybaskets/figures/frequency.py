"""Loss of fit to human text by the frequency of tokens."""

from collections.abc import Mapping

from manybaskets.figures import lines, style
from manybaskets.figures.registry import Drawing, Plot
from manybaskets.figures.tables import Findings


def draw_frequency(findings: Findings) -> Drawing | None:
    """Loss of fit to human text against the target as it is, by how frequent the tokens are."""
    gaps = findings.of("nll_gap")
    gaps = gaps[gaps["item_set"].str.startswith("test/")]
    if gaps["value"].notna().sum() == 0:
        return None
    names = sorted(gaps["item_set"].str.removeprefix("test/").unique(), key=_frequency)
    gaps = gaps.assign(place=gaps["item_set"].str.removeprefix("test/").map(names.index))
    targets = sorted(gaps["target"].unique())
    figure, axes = lines.grid(len(targets), columns=min(2, len(targets)), shape=0.6)
    for ax, target in zip(axes, targets, strict=True):
        of_target = gaps[gaps["target"] == target]
        ax.axhline(0, color=style.GREY, linewidth=0.7, zorder=0)
        lines.labelled_lines(ax, of_target, ("place", "value"), findings.mixes, dots=True)
        ax.set_xticks(range(len(names)), [_words(name) for name in names], fontsize=7)
        ax.set_title(target if len(targets) > 1 else "", loc="left")
        ax.set_ylabel("nats per token above the target as it is")
    data = gaps[["target", "mix", "seed", "item_set", "value", "n"]]
    style.footnote(
        figure,
        "Tokens of held-out human text by how frequent they are in the human training text, each "
        "bin an equal share of it. Above 0: less likely than under the target without fine-tuning. "
        "Dots and thin lines: every seed.",
    )
    return figure, data


def _frequency(name: str) -> tuple[bool, int]:
    """A sort key: bins from the most frequent to the rarest, then unseen tokens."""
    digits = "".join(character for character in name.split(" of ")[0] if character.isdigit())
    return not digits, int(digits or 0)


def _words(name: str) -> str:
    place, number = _frequency(name)
    last = name.rpartition(" ")[2]
    if place:
        return name
    ends: Mapping[str, str] = {"1": "most\nfrequent", last: "rarest"}
    return ends.get(str(number), str(number))


FREQUENCY = Plot(
    "frequency",
    "collapse",
    "Where fit to human text is lost: tokens by how frequent they are in human training "
    "text, against the target without fine-tuning.",
    draw_frequency,
)
