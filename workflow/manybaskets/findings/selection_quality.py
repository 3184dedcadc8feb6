"""The breakdown point p* of every selection against the quality of the resulting models.

Tests the claim of arXiv 2406.07515 on a study's own data: the better a verifier's p*, the better
the model. Mixes are ranked by their means over seeds.
"""

from collections.abc import Sequence

import pandas as pd

from manybaskets.findings.rank_correlation import rank_correlation
from manybaskets.metrics import registry

# Metrics of the quality of a model; the first that was measured counts.
QUALITIES = ("rouge_1", "bits_per_byte")
PROXIES = ("p_star", "p_star_margin")
NOT_SELECTED = 0.5  # p* where right and wrong rows are kept alike
KEY = ["target", "mix", "seed"]


def correlations(data: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rho of p*, and of its margin over the error rate, with the models' quality.

    `data` is of `points`. One row per target, notion of a right row, and proxy, over the mixes'
    means of seeds; `rho` above 0 means: the better the proxy, the better the model. Mixes without
    selection have a p* of 0.5 and no margin, since their rows are not verified.
    """
    rows = []
    for (target, item_set), of_panel in data.groupby(["target", "item_set"], sort=True):
        metric = of_panel["quality_metric"].iloc[0]
        sign = 1.0 if registry.metric(metric).better == "higher" else -1.0
        means = of_panel.groupby("mix")[[*PROXIES, "quality"]].mean()
        for proxy in PROXIES:
            known = means[[proxy, "quality"]].dropna()
            correlation = rank_correlation(known[proxy], sign * known["quality"])
            which = {"target": target, "item_set": item_set, "proxy": proxy, "quality": metric}
            rows.append(which | {"mixes": correlation.n, **correlation._asdict()})
    columns = ["target", "item_set", "proxy", "quality", "mixes", "rho", "p", "note"]
    return pd.DataFrame(rows, columns=columns)


def points(measured: pd.DataFrame, unselected: Sequence[str]) -> pd.DataFrame:
    """p* and the quality of the model, a row per target, mix, seed and notion of a right row.

    `measured` is the table of measurements, `unselected` are mixes of synthetic text that keep all
    of it. A loop counts with its last generation.
    """
    last = measured.sort_values("generation", kind="stable")
    last = last.drop_duplicates([*KEY, "probe", "metric", "item_set"], keep="last")
    of_test = last[(last["item_set"] == "test") & last["value"].notna()]
    metric = next((q for q in QUALITIES if (of_test["metric"] == q).any()), QUALITIES[-1])
    quality = of_test[of_test["metric"] == metric].set_index(KEY)["value"].rename("quality")
    values = last[last["probe"] == "selection"]
    table = values.pivot_table(index=[*KEY, "item_set"], columns="metric", values="value")
    columns = ["p_star", "p_star_low", "p_star_high", "error_rate", "p_star_margin"]
    table = table.reindex(columns=columns).dropna(how="all").reset_index()
    sets = sorted(table["item_set"].unique())
    parts = [table.join(quality, on=KEY)]
    of_synthetic = quality[quality.index.get_level_values("mix").isin(list(unselected))]
    parts += [
        of_synthetic.reset_index().assign(item_set=item_set, p_star=NOT_SELECTED)
        for item_set in sets
    ]
    data = pd.concat(parts, ignore_index=True)[[*KEY, "item_set", *columns, "quality"]]
    data["quality_metric"] = metric
    return data.sort_values(["item_set", *KEY], ignore_index=True)
