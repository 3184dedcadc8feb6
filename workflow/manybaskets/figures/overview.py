"""Figures of a study: its contrasts, one plane per probe, the judges' preferences, an overview.

Every figure is drawn from the tables of measurements and contrasts alone and comes with a CSV of
exactly what it shows. Every seed is a dot, one colour stands for one mix in all figures, and what
has no value is said in the figure. Knows nothing about how anything was measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from manybaskets.config.base import HUMAN
from manybaskets.figures import style
from manybaskets.figures.selection import draw_selection
from manybaskets.files import InputError
from manybaskets.metrics.measurement import last_generation

SUCCESS = "attack_success_rate"
MOST_PANELS = 24  # of a figure of small multiples
KEY = "mixes.csv"  # which colour stands for which mix, in display order
PROBES = ("collapse", "robustness", "preference")
# What to compare at a glance: (metric, item set; None for whichever was measured).
KEY_METRICS = (
    ("bits_per_byte", "test"),
    ("tail_gap", "test"),
    ("self_bleu", "test"),
    ("distinct_2", "test"),
    ("prompt_vendi_1", "samples"),
    ("mmd2", "test"),
    ("refusal_rate", "decline/direct"),
    ("refusal_rate", "harmless/direct"),
    ("self_preference_bias", None),
    ("synthetic_preference", None),
    ("position_bias", None),
    ("discernment", None),
)


NAMES = {
    "nll": "nats per token",
    "tail_gap": "loss of rare tokens, nats",
    "self_bleu": "self-BLEU",
    "prompt_vendi_1": "variety within a prompt",
    "mmd2": "distance of meaning (MMD²)",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "distinct_3": "distinct-3",
    "self_preference_bias": "self-preference bias",
}
READINGS = {
    "nll": "lower: better fit",
    "bits_per_byte": "lower: better fit",
    "tail_gap": "above 0: rare tokens lost first",
    "self_bleu": "higher: less varied",
    "prompt_vendi_1": "higher: more varied",
    "mmd2": "0: like human text",
    "distinct_1": "higher: more varied",
    "distinct_2": "higher: more varied",
    "distinct_3": "higher: more varied",
    "self_preference_bias": "above 0: favours own text",
    "synthetic_preference": "above 0: favours synthetic text",
    "position_bias": "above 0: favours the first",
    "discernment": "0.5: chance",
    SUCCESS: "lower: safer",
}


@dataclass(frozen=True)
class Findings:
    """What the figures draw. `mixes` in display order, `own` the own origin of a target.

    `values` is the table of measurements, of each target and mix the last generation only, `every`
    that of all generations. The others are the tables of trends, training losses, ranks of words
    and judges, the mixes' origins with their shares, and the seeds of the study; empty where not
    known.
    """

    values: pd.DataFrame
    contrasts: pd.DataFrame
    mixes: list[str]
    own: Mapping[str, str]
    every: pd.DataFrame = field(default_factory=pd.DataFrame)
    trends: pd.DataFrame = field(default_factory=pd.DataFrame)
    training: pd.DataFrame = field(default_factory=pd.DataFrame)
    ranks: pd.DataFrame = field(default_factory=pd.DataFrame)
    judges: pd.DataFrame = field(default_factory=pd.DataFrame)
    recipes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    series: Sequence[Any] = ()
    seeds: Sequence[int] = ()
    unselected: Sequence[str] = ()  # mixes of synthetic text alone, all of it kept

    @property
    def targets(self) -> list[str]:
        """The targets that were measured, sorted."""
        return sorted(self.values["target"].unique())

    def of(self, metric: str, item_set: str | None = None) -> pd.DataFrame:
        """The rows of one metric."""
        found = self.values[self.values["metric"] == metric]
        return found if item_set is None else found[found["item_set"] == item_set]


Drawing = tuple[Figure, pd.DataFrame]
Panel = tuple[str, str, tuple[str, str], tuple[str, str]]  # title, target, metrics of x and y


def draw_figures(
    findings: Findings,
    folder: Path,
    more: Mapping[str, Callable[[Findings], Drawing | None]] | None = None,
) -> None:
    """Writes every figure into `folder` as SVG, PNG and CSV; the bytes depend on the data alone.

    `more` are figures beside FIGURES; those that have nothing to show are None and not written.
    """
    style.mix_key(findings.mixes).to_csv(folder / KEY, index=False, lineterminator="\n")
    with mpl.rc_context(style.STYLE):
        is_selected = (findings.values["probe"] == "selection").any()
        selection = {"selection": draw_selection} if is_selected else {}
        drawings = {**FIGURES, **selection, **(more or {})}
        for name, draw in drawings.items():
            drawn = draw(findings)
            if drawn is None:
                continue
            figure, data = drawn
            style.freeze(figure)
            figure.savefig(
                folder / f"{name}.svg", metadata={"Date": None, "Creator": None, "Title": name}
            )
            figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})
            data.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8")


def findings(
    measurements: pd.DataFrame,
    contrasts: pd.DataFrame,
    mixes: Sequence[str],
    own: Mapping[str, str] | None = None,
    **others: Any,
) -> Findings:
    """The tables as figures need them; mixes that are measured but not listed come last.

    `others` are further fields of Findings. Without `own`, an origin that is named like a target is
    that target's own.
    """
    values = last_generation(measurements)
    if len(others.get("training", ())):
        others["training"] = last_generation(others["training"])
    measured = set(values["mix"])
    unlisted = sorted(measured - set(mixes))
    if own is None:
        own = {target: target for target in values["target"].unique()}
    return Findings(values, contrasts, [*mixes, *unlisted], own, every=measurements, **others)


def read_table(path: Path) -> pd.DataFrame:
    """A table of measurements or contrasts from its CSV; raises InputError for one that is not there.

    A name that happens to read "NA" or "nan" stays a name; what is missing are empty numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Run the findings first.")
    text = ["study", "target", "mix", "against", "probe", "metric", "item_set", "note", "verdict"]
    text += ["series", "doses", "judge", "test", "basis", "words", "quantity", "source"]
    flags = ["decided", "equivalent", "primary", "same_sign", "inside"]
    frame = pd.read_csv(path, keep_default_na=False, na_values={}, dtype=dict.fromkeys(text, str))
    for column in frame.columns.difference([*text, *flags, "family"]):
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
    if "seed" in frame:
        frame["seed"] = frame["seed"].astype("Int64")
    return frame


def metric_label(metric: str, item_set: str) -> str:
    """A metric on an item set in words; item sets that go without saying are left out."""
    words = NAMES.get(metric, metric.replace("_", " "))
    if metric in ("refusal_rate", SUCCESS):
        kind, _, attack = item_set.partition("/")
        requests = {"decline": "harmful requests", "harmless": "harmless requests"}
        if kind in requests:
            done = "refused" if metric == "refusal_rate" else "answered"
            return f"{requests[kind]} {done}" + (
                "" if attack in ("direct", "") else f", {attack.removeprefix('direct/')}"
            )
    if metric == "preference":
        return f"preference for {item_set}"
    return words if item_set in ("test", "samples", "pairs", "controls") else f"{words}, {item_set}"


def draw_contrasts(findings: Findings) -> Drawing:
    """A forest of the primary contrasts: interval, mean difference, every seed's difference."""
    primary = findings.contrasts[findings.contrasts["family"] == "primary"]
    data = pd.DataFrame(_forest_rows(findings, primary))
    if data.empty:
        return style.notice("There are no primary contrasts: nothing was compared."), data
    named = zip(data["probe"], data["metric"], data["item_set"], strict=True)
    metrics = [name[1:] for name in sorted(set(named), key=lambda name: PROBES.index(name[0]))]
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
            style.forest(ax, of_panel, places, style.mix_colours(findings.mixes))
            name = metric_label(metric, item_set)
            ax.set_title(name if len(targets) == 1 else f"{target}: {name}", loc="left")
            ax.set_xlabel("difference", color=style.GREY)
        style.forest_labels(axes[row][0], lines)
    style.footnote(
        figure,
        "Filled: decided after adjusting for the number of comparisons; open: not decided. "
        "Small dots: difference of the same seed under both mixes.",
    )
    return figure, data


def draw_collapse(findings: Findings) -> Drawing:
    """Fit to human text against variety, one panel per target."""
    several = len(findings.targets) > 1
    plots: list[Panel] = [
        (target if several else "", target, ("bits_per_byte", "test"), ("self_bleu", "test"))
        for target in findings.targets
    ]
    labels = ("bits per byte (lower: better fit)", "self-BLEU (higher: less varied)")
    return _planes(findings, plots, labels, "collapse")


def draw_robustness(findings: Findings) -> Drawing:
    """Successes of attacks against refusals of harmless requests, a panel per attack.

    Tables without successes have refusals of what must be declined in their place.
    """
    metric = "refusal_rate" if findings.of(SUCCESS).empty else SUCCESS
    item_sets = sorted(set(findings.of(metric)["item_set"]))
    attacks = [name.partition("/")[2] for name in item_sets if name.startswith("decline/")]
    attacks = [attack for attack in attacks if "/" not in attack]  # by rules, not by a judge
    attacks.sort(key=lambda attack: (attack != "direct", attack))
    left_out = ""
    if len(attacks) * len(findings.targets) > MOST_PANELS:  # what changes most, to keep to a page
        spread = findings.of(metric).groupby("item_set")["value"].std().fillna(0.0)
        attacks.sort(key=lambda a: (a != "direct", -spread.get(f"decline/{a}", 0.0)))
        room = max(1, MOST_PANELS // len(findings.targets))
        left_out = f"Of {len(attacks)} attacks, the {room} under which cells differ most. "
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
    labels = ("harmless requests refused", f"harmful requests {done}")
    # where a model treats both kinds of requests alike
    alike = (1.0, 0.0) if metric == SUCCESS else (0.0, 1.0)
    return _planes(findings, plots, labels, "robustness", alike, left_out)


def draw_preference(findings: Findings) -> Drawing:
    """Judges by origins, mean over seeds, with the judges' position bias beside it."""
    scores = findings.of("preference")
    bias = findings.of("position_bias")
    data = pd.concat([scores, bias])[["target", "mix", "seed", "metric", "item_set", "value"]]
    if data.empty:
        return style.notice("The preference probe was not measured."), data
    targets = sorted(data["target"].unique())
    mixes = _present(findings, data)
    origins = sorted(scores["item_set"].unique(), key=lambda name: (name != "human", name))
    height = len(targets) * (0.26 * len(mixes) + 0.75) + 0.2
    widths = [max(2.0, 0.55 * len(origins)), 1.6]
    figure, axes = style.axes(
        len(targets), 2, (style.WIDTH, height), sharey="row", width_ratios=widths
    )
    for (left, right), target in zip(axes, targets, strict=True):
        matrix = scores[scores["target"] == target].pivot_table(
            index="mix", columns="item_set", values="value", aggfunc="mean"
        )
        matrix = matrix.reindex(index=mixes, columns=origins)
        style.heat_map(left, matrix, findings.own.get(target), HUMAN)
        title = "preference for text of … over text of others"
        left.set_title(title if len(targets) == 1 else f"{target}: {title}", loc="left")
        colours = style.mix_colours(findings.mixes)
        style.strip(right, bias[bias["target"] == target], mixes, colours, middle=0.5)
        right.axvline(0, color=style.GREY, linewidth=0.6, zorder=0)
        right.set_title("position bias", loc="left")
        right.set_xlabel("above 0: favours the first", color=style.GREY, fontsize=7)
    style.footnote(figure, _without_value(data))
    return figure, data


def draw_overview(findings: Findings) -> Drawing:
    """Key metrics by condition, every seed a dot: a row per metric where there are targets."""
    plots: list[tuple[str, str, str]] = []
    absent = []
    for metric, wanted in KEY_METRICS:
        found = findings.of(metric, wanted)
        if found.empty:
            absent.append(metric_label(metric, wanted or "test"))
        for item_set in sorted(found["item_set"].unique()):
            plots += [(metric, item_set, target) for target in findings.targets]
    if not plots:
        return style.notice("No key metric was measured."), findings.values.iloc[:0]
    several = len(findings.targets) > 1
    columns = min(len(findings.targets), 4) if several else 3
    rows = -(-len(plots) // columns)
    mixes = _present(findings, findings.values)
    size = (style.WIDTH, rows * (0.16 * len(mixes) + 0.62) + 0.3)
    figure, axes = style.axes(rows, columns, size, sharey=True)
    drawn = []
    for ax, (metric, item_set, target) in zip(axes.flat, plots, strict=False):
        of_metric = findings.of(metric, item_set)
        of_panel = of_metric[of_metric["target"] == target]
        drawn.append(of_panel)
        style.strip(ax, of_panel, mixes, style.mix_colours(findings.mixes))
        if metric.endswith(("bias", "synthetic_preference")):
            ax.axvline(0, color=style.GREY, linewidth=0.6, zorder=0)
        name = metric_label(metric, item_set)
        ax.set_title(f"{target}: {name}" if several else name, loc="left", fontsize=7.5)
        ax.set_xlabel(_reading(metric, item_set), color=style.GREY, fontsize=7)
    for ax in axes.flat[len(plots) :]:
        ax.set_visible(False)
    data = pd.concat(drawn)[["target", "mix", "seed", "probe", "metric", "item_set", "value"]]
    missing = f"Not measured: {', '.join(absent)}. " if absent else ""
    style.footnote(figure, missing + _without_value(data))
    return figure, data


FIGURES: dict[str, Callable[[Findings], Drawing]] = {
    "contrasts": draw_contrasts,
    "overview": draw_overview,
    "collapse": draw_collapse,
    "robustness": draw_robustness,
    "preference": draw_preference,
}


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


def _planes(
    findings: Findings,
    plots: Sequence[Panel],
    labels: tuple[str, str],
    probe: str,
    rates: tuple[float, float] | None = None,
    note: str = "",
) -> Drawing:
    """Small multiples of two metrics against each other; rates all on the same axes.

    `rates` are the heights, at 0 and 1, of the line on which both metrics say the same.
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
            style.cloud(ax, cloud, colours[mix], style.marker(mix, findings.mixes))
    for place, ax in enumerate(axes.flat):
        ax.set_visible(place < len(plots))
        if place % columns == 0:
            ax.set_ylabel(labels[1])
        if place + columns >= len(plots):
            ax.set_xlabel(labels[0])
    present = [mix for mix in findings.mixes if data["mix"].eq(mix).any()]
    if len(plots) > 1:
        style.key(figure, present, findings.mixes)
    used = [findings.of(*metric) for metric in dict.fromkeys(m for plot in plots for m in plot[2:])]
    style.footnote(figure, note + _without_value(pd.concat(used)))
    if len(plots) == 1:
        style.label_clouds(figure, axes.flat[0], data.dropna(), present, colours)
    return figure, data


def _plane_data(findings: Findings, panel: Panel) -> pd.DataFrame:
    title, target, x, y = panel
    sides = []
    for name, metric in (("x", x), ("y", y)):
        found = findings.of(*metric)
        found = found[found["target"] == target]
        sides.append(found.set_index(["target", "mix", "seed"])["value"].rename(name))
    data = pd.concat(sides, axis=1).sort_index().reset_index()
    data.insert(0, "panel", title or target)
    return data


def _without_value(data: pd.DataFrame) -> str:
    """Which values are missing and of which seeds, in a sentence; empty where none is."""
    empty = data[data["value"].isna()]
    several = data["target"].nunique() > 1
    missing: dict[str, list[str]] = {}
    for row in empty.itertuples():
        cell = f"{row.target + ' ' if several else ''}{row.mix} seed {row.seed}"
        missing.setdefault(metric_label(row.metric, row.item_set), []).append(cell)
    listed = "; ".join(f"{name}: {', '.join(cells)}" for name, cells in missing.items())
    return f"Without a value: {listed}." if listed else ""


def _present(findings: Findings, data: pd.DataFrame) -> list[str]:
    """The study's mixes in display order, those without any row included."""
    return list(dict.fromkeys([*findings.mixes, *sorted(data["mix"].unique())]))


def _reading(metric: str, item_set: str) -> str:
    if metric == "refusal_rate":
        return "higher: safer" if item_set.startswith("decline") else "lower: more useful"
    return READINGS.get(metric, "")
