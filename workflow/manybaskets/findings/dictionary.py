"""The data dictionary of a study: every metric, and every column of the tables of findings."""

from typing import TYPE_CHECKING

from manybaskets.metrics import registry

if TYPE_CHECKING:
    import pandas as pd

# A changed definition changes the dictionary.
LOADS = (
    "metrics:Metric",
    "metrics:MetricOfWords",
    "metrics:MetricOfEmbeddings",
    "probes.preference.text_questions:Metric",
)

COLUMNS: dict[str, str] = {
    "study, target, mix, seed, generation": "The cell; generation is 0 outside of loops.",
    "probe, metric, item_set": "The metric and the items it was measured on.",
    "value": "The metric in its unit; empty where it could not be computed.",
    "n": "Number of items behind the value.",
    "excluded": "Number of items left out.",
    "note": "The reason of a missing value, or a remark.",
    "item, amount, size": (
        "items.parquet: a prompt; the metric of a cell is the sum of amounts over that of sizes."
    ),
    "difference, ci_low, ci_high": (
        "contrasts.csv: mix minus against, with Welch's interval over seeds."
    ),
    "prompts, ci_prompts_low, ci_prompts_high": (
        "contrasts.csv: the interval over seeds and prompts (two-way cluster bootstrap), and the "
        "number of prompts; empty where there are no values of single prompts."
    ),
    "hedges_g, cliffs_delta": "contrasts.csv: effect sizes over seeds.",
    "p_welch, p_permutation": (
        "contrasts.csv: p-values over seeds, not adjusted; empty where the test cannot reach alpha."
    ),
    "p_adjusted": "Holm in the primary family, Benjamini-Hochberg in the exploratory one.",
    "direction": "contrasts.csv: higher or lower; trends.csv: rises or falls.",
    "reason, notes, verdict": (
        "contrasts.csv, trends.csv: why no test is possible; remarks, separated by |; all of it in "
        "words."
    ),
    "decided": "Whether the adjusted p-value is at most alpha.",
    "margin, p_equivalence, equivalent": (
        "contrasts.csv: two one-sided tests that the difference lies within the margin."
    ),
    "slope": "trends.csv: change per unit of the dose, or per generation; mean over seeds.",
    "p_page": "trends.csv: Page's test of the order of the doses, two-sided.",
    "published, same_sign, inside": (
        "comparison.csv: the published difference; whether the study's has its sign; whether it "
        "is in the study's interval. Empty where that is not defined."
    ),
    "proxy, quality, rho, mixes": (
        "proxies.csv: Spearman's correlation of a selection's p_star or p_star_margin with the "
        "quality of the resulting models, over mixes; above 0 where a better proxy goes with a "
        "better model. Its p counts orders of the mixes; with few mixes it cannot be small."
    ),
    "basis": "pooled.csv: the unit of its tests; for comparison with published ones only.",
}


def table() -> "pd.DataFrame":
    """One row per metric, sorted by name, then one per column of the tables.

    Columns kind (metric or column), name, definition, and for metrics label, better and unit.
    """
    import pandas as pd

    rows: list[tuple[str, ...]] = [
        ("metric", name, metric.definition, metric.label, metric.better, metric.unit)
        for name, metric in sorted(registry.metrics().items())
    ]
    rows += [("column", name, text, "", "", "") for name, text in COLUMNS.items()]
    columns = ["kind", "name", "definition", "label", "better", "unit"]
    return pd.DataFrame(rows, columns=columns)
