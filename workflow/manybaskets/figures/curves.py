"""Figures of curves: doses, generations, attempts, training, ranks of words, rare tokens.

Like `figures`: from tables alone, every seed shown, one colour for one mix, the name of a curve
beside it where there is room. A figure that has nothing to show is None.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from manybaskets.config.base import VANILLA
from manybaskets.figures import style
from manybaskets.figures.overview import KEY_METRICS, Drawing, Findings, metric_label
from manybaskets.findings.training_curves import PEOPLE
from manybaskets.findings.trends import GENERATION

MOST_PANELS = 12
LEAST_BEYOND = 0.05  # of people's text; a ratio to less is noise


def draw_doses(findings: Findings) -> Drawing | None:
    """Key metrics over the dose of every series of mixes, every seed a line."""
    plots = [
        (series, target, metric, item_set)
        for series in findings.series
        for target in findings.targets
        for metric, item_set in _key_metrics(findings.values)
    ][:MOST_PANELS]
    parts = []
    for series, target, metric, item_set in plots:
        rows = findings.of(metric, item_set)
        rows = rows[(rows["target"] == target) & rows["mix"].isin(list(series["doses"]))]
        rows = rows.assign(series=series["name"], dose=rows["mix"].map(series["doses"]))
        parts.append(
            rows[["series", "target", "metric", "item_set", "mix", "seed", "dose", "value"]]
        )
    if not any(len(part.dropna()) for part in parts):
        return None
    figure, axes = _grid(len(plots))
    colours = style.mix_colours(findings.mixes)
    for ax, (series, target, metric, item_set), part in zip(axes, plots, parts, strict=True):
        _seed_lines(ax, part, "dose", style.GREY)
        for mix, of_mix in part.dropna().groupby("mix"):
            ax.plot(
                of_mix["dose"], of_mix["value"], style.marker(mix, findings.mixes),
                color=colours[mix], ms=4, mew=0, alpha=0.8, zorder=3,
            )  # fmt: skip
        several = len(findings.targets) > 1
        name = metric_label(metric, item_set)
        ax.set_title(f"{target}: {name}" if several else name, loc="left", fontsize=7.5)
        ax.set_xlabel(series["name"], color=style.GREY, fontsize=7)
        _say_slope(ax, findings.trends, (target, series["name"], "", metric, item_set))
    style.key(figure, _used(findings.mixes, parts), findings.mixes)
    style.footnote(figure, "Grey: the means of the seeds, and every seed. Slopes with intervals.")
    return figure, pd.concat(parts, ignore_index=True)


def draw_generations(findings: Findings) -> Drawing | None:
    """Key metrics over the generations of loops, and beside each its change per generation."""
    every = findings.every
    if every.empty:
        return None
    every = every.assign(generation=pd.to_numeric(every["generation"]).fillna(0))
    loops = every.groupby(["target", "mix"])["generation"].transform("max") > 0
    vanilla = every[(every["mix"] == VANILLA) & ~loops]
    every = every[loops]
    plots = [
        (target, metric, item_set)
        for target in sorted(every["target"].unique())
        for metric, item_set in _key_metrics(every)
    ][: MOST_PANELS // 2]
    if not plots:
        return None
    mixes = [mix for mix in findings.mixes if every["mix"].eq(mix).any()]
    size = (style.WIDTH, len(plots) * (0.14 * len(mixes) + 1.15) + 0.2)
    figure, axes = style.axes(len(plots), 2, size, width_ratios=(1.5, 1.0))
    parts = []
    for (left, right), (target, metric, item_set) in zip(axes, plots, strict=True):
        rows = _of(every, target, metric, item_set)
        before = _of(vanilla, target, metric, item_set)["value"].mean()
        if np.isfinite(before):
            left.axhline(before, color=style.GREY, linestyle="--", linewidth=0.8, zorder=1)
        _labelled_lines(left, rows, ("generation", "value"), findings.mixes, dots=True)
        name = metric_label(metric, item_set)
        several = every["target"].nunique() > 1
        left.set_title(f"{target}: {name}" if several else name, loc="left", fontsize=7.5)
        left.locator_params(axis="x", integer=True)
        slopes = _slopes(findings.trends, (target, metric, item_set))
        _draw_slopes(right, slopes, mixes, style.mix_colours(findings.mixes))
        columns = ["target", "metric", "item_set", "mix", "seed", "generation", "value"]
        parts += [rows[columns].assign(kind="value"), slopes.assign(kind="slope")]
    for ax, text in zip(axes[-1], ("generation", "change per generation"), strict=True):
        ax.set_xlabel(text, color=style.GREY, fontsize=7)
    style.footnote(
        figure,
        "Left: thin lines and dots are seeds, thick lines their means; dashed, the target without "
        "fine-tuning. Right: the mean of the seeds' slopes, with its interval over seeds "
        "(Student's).",
    )
    return figure, pd.concat(parts, ignore_index=True)


def draw_attempts(findings: Findings) -> Drawing | None:
    """Attacks that are tried several times: how many requests give way to n attempts."""
    rows = findings.of("success_at_n").dropna(subset=["value"])
    names = rows["item_set"].str.extract(r"^decline/(?P<attack>.+)/n=(?P<attempts>\d+)$")
    data = pd.concat([rows[["target", "mix", "seed", "value"]], names], axis=1)
    data = data.dropna(subset=["attempts"]).astype({"attempts": int})
    plots = sorted(set(zip(data["target"], data["attack"], strict=True)))[:MOST_PANELS]
    if not plots:
        return None
    figure, axes = _grid(len(plots), columns=min(2, len(plots)), shape=0.6)
    for ax, (target, attack) in zip(axes, plots, strict=True):
        of_panel = data[(data["target"] == target) & (data["attack"] == attack)]
        ax.set_xscale("log", base=2)
        ax.set_ylim(-0.03, 1.03)  # before the lines, whose names are kept apart on this scale
        _labelled_lines(ax, of_panel, ("attempts", "value"), findings.mixes, dots=True)
        ax.set_xticks(sorted(set(of_panel["attempts"])))
        _plain_ticks(ax)
        ax.set_title(f"{target}: {attack}" if len(findings.targets) > 1 else attack, loc="left")
        ax.set_xlabel("attempts at a request", color=style.GREY)
        ax.set_ylabel("requests answered at least once")
    return figure, data[["target", "attack", "mix", "seed", "attempts", "value"]]


def _of(rows: pd.DataFrame, target: str, metric: str, item_set: str) -> pd.DataFrame:
    found = rows[(rows["target"] == target) & (rows["metric"] == metric)]
    return found[found["item_set"] == item_set]


def _slopes(trends: pd.DataFrame, which: tuple[str, str, str]) -> pd.DataFrame:
    """Change per generation of every loop: mix, value, ci_low, ci_high."""
    columns = ["target", "metric", "item_set", "mix", "value", "ci_low", "ci_high"]
    if trends.empty:
        return pd.DataFrame(columns=columns)
    found = _of(trends[trends["series"] == GENERATION], *which)
    return found.rename(columns={"slope": "value"})[columns]


def _draw_slopes(
    ax: Axes, slopes: pd.DataFrame, mixes: Sequence[str], colours: Mapping[str, str]
) -> None:
    """A line per loop, and the numbers in words, since one loop may dwarf the others."""
    ax.axvline(0, color=style.GREY, linewidth=0.7, zorder=0)
    rows = {row["mix"]: row for row in slopes.to_dict("records") if not pd.isna(row["value"])}
    for place, mix in enumerate(mixes):
        row = rows.get(mix)
        text = "no slope"
        if row is not None:
            text = _signed(row["value"], row["value"])
            ax.plot(row["value"], place, "o", color=colours[mix], ms=4, mew=0, zorder=3)
        if row is not None and not pd.isna(row["ci_low"]):
            ends = row["ci_low"], row["ci_high"]
            ax.plot(ends, [place, place], "-", color=colours[mix], linewidth=1.3, zorder=2)
            half = (ends[1] - ends[0]) / 2
            value, low, high = (_signed(one, half) for one in (row["value"], *ends))
            text = f"{value} ({low} to {high})"
        ax.annotate(
            text, (1.02, place), xycoords=("axes fraction", "data"), color=colours[mix],
            fontsize=6.5, va="center", annotation_clip=False,
        )  # fmt: skip
    ax.set_ylim(len(mixes) - 0.4, -0.6)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(style.RoomyTicks(4))


def _signed(value: float, precision: float) -> str:
    """A number to two digits of what it is known to."""
    decimals = 3 if precision == 0 else int(np.clip(1 - np.floor(np.log10(abs(precision))), 0, 6))
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def draw_training(findings: Findings) -> Drawing | None:
    """Training loss by step, a panel per target, a line per seed."""
    data = findings.training
    if data.empty:
        return None
    targets = sorted(data["target"].unique())
    figure, axes = _grid(len(targets), columns=min(2, len(targets)), shape=0.6)
    for ax, target in zip(axes, targets, strict=True):
        of_target = data[data["target"] == target]
        _labelled_lines(ax, of_target, ("step", "loss"), findings.mixes)
        ax.set_title(target if len(targets) > 1 else "", loc="left")
        ax.set_xlabel("step")
        ax.set_ylabel("training loss (nats per token)")
    style.footnote(figure, "Thin: every seed. Thick: their mean.")
    return figure, data


def draw_ranks(findings: Findings) -> Drawing | None:
    """How often words occur, by rank: beside what people wrote, and as a ratio to it."""
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
            _seed_lines(left, of_mix, "rank", colour, "frequency", thick=0.8)
        left.plot(people["rank"], people["frequency"], "--", color="black", linewidth=1.2)
        left.set(xscale="log", yscale="log")
        _plain_ticks(left)
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
        _labelled_lines(right, ratio, ("rank", "ratio"), findings.mixes)
        _plain_ticks(right)
        right.set_title("share of rarer words, as a ratio to people's", loc="left")
        right.set_xlabel("rank from which words count as rare")
    words = int(data["words"].iloc[0])
    style.footnote(
        figure,
        f"Every text cut to {words:,} words. Dashed: what people wrote. Thin: every seed. Below 1 "
        "on the right, the text has fewer rare words than people's.",
    )
    return figure, data


def draw_frequency(findings: Findings) -> Drawing | None:
    """Loss of fit to human text against the target as it is, by how frequent the tokens are."""
    gaps = findings.of("nll_gap")
    gaps = gaps[gaps["item_set"].str.startswith("test/")]
    if gaps["value"].notna().sum() == 0:
        return None
    names = sorted(gaps["item_set"].str.removeprefix("test/").unique(), key=_frequency)
    gaps = gaps.assign(place=gaps["item_set"].str.removeprefix("test/").map(names.index))
    targets = sorted(gaps["target"].unique())
    figure, axes = _grid(len(targets), columns=min(2, len(targets)), shape=0.6)
    for ax, target in zip(axes, targets, strict=True):
        of_target = gaps[gaps["target"] == target]
        ax.axhline(0, color=style.GREY, linewidth=0.7, zorder=0)
        _labelled_lines(ax, of_target, ("place", "value"), findings.mixes, dots=True)
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


FIGURES: dict[str, Callable[[Findings], Drawing | None]] = {
    "doses": draw_doses,
    "generations": draw_generations,
    "frequency": draw_frequency,
    "ranks": draw_ranks,
    "training": draw_training,
    "attempts": draw_attempts,
}


def _grid(count: int, columns: int = 3, shape: float = 0.8) -> tuple[Any, list[Axes]]:
    """A figure and the axes of `count` panels."""
    columns = min(columns, count)
    rows = -(-count // columns)
    width = style.WIDTH if columns > 1 else 5.2
    figure, axes = style.axes(rows, columns, (width, rows * (width / columns * shape) + 0.2))
    for ax in list(axes.flat)[count:]:
        ax.set_visible(False)
    return figure, list(axes.flat)[:count]


def _seed_lines(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    colour: str,
    y: str = "value",
    dots: bool = False,
    thick: float = 1.4,
) -> pd.DataFrame:
    """A thin line per seed and a thicker one of their mean, which is returned."""
    rows = rows.dropna(subset=[y])
    gap = np.array([np.nan])
    across, up = [], []
    for _, of_seed in rows.sort_values(x).groupby("seed"):
        across += [of_seed[x].to_numpy(dtype=float), gap]
        up += [of_seed[y].to_numpy(dtype=float), gap]
    if across:  # one line with gaps, however many seeds
        ax.plot(
            np.concatenate(across), np.concatenate(up), "o-" if dots else "-", color=colour,
            linewidth=0.5, ms=2.6, mew=0, alpha=0.55, zorder=2,
        )  # fmt: skip
    mean = rows.groupby(x, as_index=False)[y].mean()
    ax.plot(mean[x], mean[y], "-", color=colour, linewidth=thick, zorder=3)
    return mean


def _labelled_lines(
    ax: Axes,
    rows: pd.DataFrame,
    columns: tuple[str, str],
    mixes: Sequence[str],
    dots: bool = False,
) -> None:
    """Lines of every mix with its name at the right end; names keep apart from each other."""
    x, y = columns
    colours = style.mix_colours(mixes)
    ends = {}
    for mix in [mix for mix in mixes if rows["mix"].eq(mix).any()]:
        mean = _seed_lines(ax, rows[rows["mix"] == mix], x, colours[mix], y, dots)
        if len(mean):
            ends[mix] = (float(mean[x].iloc[-1]), float(mean[y].iloc[-1]))
    style.label_ends(ax, ends, colours)


def _plain_ticks(ax: Axes) -> None:
    """Powers of ten on logarithmic axes, written out; matplotlib's own are formulas."""
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _say_slope(ax: Axes, trends: pd.DataFrame, which: tuple[str, ...]) -> None:
    if trends.empty:
        return
    columns = ("target", "series", "mix", "metric", "item_set")
    found = trends
    for column, wanted in zip(columns, which, strict=True):
        found = found[found[column] == wanted]
    if len(found) and not pd.isna(found.iloc[0]["ci_low"]):
        row = found.iloc[0]
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.15 * (high - low))  # room for the words
        text = f"{row['slope']:+.2g} ({row['ci_low']:+.2g} to {row['ci_high']:+.2g})"
        ax.text(
            0.03, 0.97, text.replace("-", "\N{MINUS SIGN}"), transform=ax.transAxes, fontsize=6.5,
            va="top", color="#222222",
        )  # fmt: skip


def _key_metrics(values: pd.DataFrame) -> list[tuple[str, str]]:
    """The key metrics that have a value, as (metric, item set)."""
    there = values[values["value"].notna()]
    named = set(zip(there["metric"], there["item_set"], strict=True))
    return [
        one
        for metric, wanted in KEY_METRICS
        for one in sorted(named)
        if one[0] == metric and wanted in (None, one[1])
    ]


def _used(mixes: Sequence[str], parts: Sequence[pd.DataFrame]) -> list[str]:
    drawn = set().union(*(set(part["mix"]) for part in parts))
    return [mix for mix in mixes if mix in drawn]


def _frequency(name: str) -> tuple[bool, int]:
    """Bins from the most frequent to the rarest, then what was never seen."""
    digits = "".join(character for character in name.split(" of ")[0] if character.isdigit())
    return not digits, int(digits or 0)


def _words(name: str) -> str:
    place, number = _frequency(name)
    last = name.rpartition(" ")[2]
    if place:
        return name
    ends: Mapping[str, str] = {"1": "most\nfrequent", last: "rarest"}
    return ends.get(str(number), str(number))
