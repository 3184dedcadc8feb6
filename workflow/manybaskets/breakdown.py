"""The breakdown point p* of every selection against the models that came of it: figure and ranks.

The claim of arXiv 2406.07515, on a study's own data: the better a verifier's p*, the better the
model. A panel per target and per notion of a right row; every seed is a mark, mixes are ranked by
their means over seeds.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from manybaskets import panels
from manybaskets.correlation import rank_correlation

if TYPE_CHECKING:  # figures imports this module
    from manybaskets.figures import Findings

# What a good model is, whether more of it is better, and how an axis names it; the first that was
# measured counts.
QUALITIES = (
    ("rouge_1", True, "ROUGE-1 with the human text"),
    ("bits_per_byte", False, "bits per byte"),
)
PROXIES = ("p_star", "p_star_margin")
NOT_SELECTED = 0.5  # p* where right and wrong rows are kept alike
KEY = ["target", "mix", "seed"]


def draw_selection(findings: "Findings") -> tuple[Figure, pd.DataFrame]:
    """p*, with its interval, against fit to human text; synthetic mixes without selection at 0.5.

    A filled mark says that the error rate is below p*.
    """
    data = points(findings.values, findings.unselected)
    if data.dropna(subset=["p_star", "quality"]).empty:
        return panels.notice("No selection has a breakdown point and a measured model."), data
    plots = list(data.groupby(["target", "item_set"], sort=True))
    several = data["target"].nunique() > 1
    _, more, label = next(q for q in QUALITIES if q[0] == data["quality_metric"].iloc[0])
    columns = min(3, len(plots))
    rows = -(-len(plots) // columns)
    size = (panels.WIDTH if columns > 1 else 4.8, 2.0 * rows + 0.3)
    figure, axes = panels.axes(rows, columns, size, sharey="row")
    colours = panels.mix_colours(findings.mixes)
    for place, ax in enumerate(axes.flat):
        ax.set_visible(place < len(plots))
        if place % columns == 0:
            ax.set_ylabel(label)
    for ax, ((target, item_set), of_panel) in zip(axes.flat, plots, strict=False):
        for mark in of_panel.dropna(subset=["p_star", "quality"]).to_dict("records"):
            panels.breakdown_mark(ax, mark, colours[mark["mix"]])
        ax.axvline(NOT_SELECTED, color="#dddddd", linewidth=0.8, zorder=0)
        ax.set_title(f"{target}, {item_set}" if several else item_set, loc="left")
        ax.set_xlim(-0.04, 1.04)
        ax.locator_params(axis="y", nbins=5)
        ax.set_xlabel("p*")
    present = [mix for mix in findings.mixes if data["mix"].eq(mix).any()]
    panels.key(figure, present, findings.mixes)
    panels.footnote(
        figure,
        f"{'Up' if more else 'Down'} is a better model, right a better verifier; panels differ in "
        "which responses are called right. Bars: 95 % interval of p* over prompts. Filled: the "
        "share of wrong rows before selection is below p*; open: it is not. Mixes of synthetic "
        f"text without selection stand at 0.5. {_in_words(correlations(data))}",
    )
    return figure, data


def correlations(data: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rho of p*, and of its margin over the error rate, with the models' quality.

    `data` is of `points`. One row per target, notion of a right row, and proxy, over the mixes'
    means of seeds; `rho` above 0 says: the better the proxy, the better the model. Mixes without
    selection have a p* of 0.5 and, since nobody has judged their rows, no margin.
    """
    better = {name: 1.0 if more else -1.0 for name, more, _ in QUALITIES}
    rows = []
    for (target, item_set), of_panel in data.groupby(["target", "item_set"], sort=True):
        metric = of_panel["quality_metric"].iloc[0]
        means = of_panel.groupby("mix")[[*PROXIES, "quality"]].mean()
        for proxy in PROXIES:
            known = means[[proxy, "quality"]].dropna()
            found = rank_correlation(known[proxy], better[metric] * known["quality"])
            which = {"target": target, "item_set": item_set, "proxy": proxy, "quality": metric}
            rows.append(which | {"mixes": found.n, **found._asdict()})
    columns = ["target", "item_set", "proxy", "quality", "mixes", "rho", "p", "note"]
    return pd.DataFrame(rows, columns=columns)


def _in_words(found: pd.DataFrame) -> str:
    """What the panels' rank correlations of p* with quality are."""
    said = []
    for row in found[found["proxy"] == "p_star"].to_dict("records"):
        text = row["note"] if pd.isna(row["rho"]) else f"{row['rho']:.2f} (p = {row['p']:.2g})"
        said.append(f"{row['item_set']}: {text}")
    mixes = found["mixes"].max() if len(found) else 0
    return f"Spearman's rho of p* with quality over {mixes} mixes: {'; '.join(said)}."


def points(measured: pd.DataFrame, unselected: Sequence[str]) -> pd.DataFrame:
    """p* and the quality of the model, a row per target, mix, seed and notion of a right row.

    `measured` is the table of measurements, `unselected` are mixes of synthetic text that keep all
    of it. Of a loop the last generation counts.
    """
    last = measured.sort_values("generation", kind="stable")
    last = last.drop_duplicates([*KEY, "probe", "metric", "item_set"], keep="last")
    of_test = last[(last["item_set"] == "test") & last["value"].notna()]
    metric = next((q for q, *_ in QUALITIES if (of_test["metric"] == q).any()), QUALITIES[-1][0])
    quality = of_test[of_test["metric"] == metric].set_index(KEY)["value"].rename("quality")
    values = last[last["probe"] == "selection"]
    table = values.pivot_table(index=[*KEY, "item_set"], columns="metric", values="value")
    columns = ["p_star", "p_star_low", "p_star_high", "error_rate", "p_star_margin"]
    table = table.reindex(columns=columns).dropna(how="all").reset_index()
    sets = sorted(table["item_set"].unique())
    found = [table.join(quality, on=KEY)]
    of_synthetic = quality[quality.index.get_level_values("mix").isin(list(unselected))]
    found += [
        of_synthetic.reset_index().assign(item_set=item_set, p_star=NOT_SELECTED)
        for item_set in sets
    ]
    data = pd.concat(found, ignore_index=True)[[*KEY, "item_set", *columns, "quality"]]
    data["quality_metric"] = metric
    return data.sort_values(["item_set", *KEY], ignore_index=True)
