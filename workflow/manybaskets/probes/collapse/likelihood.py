"""Metrics of likelihood: a model's fit to human text, and to its rare tokens in particular.

The metrics of the collapse probe are computed from the token table of the human test responses
(`token_table`) and from the likelihoods of human and own responses (`models.scoring`), without
loading a model.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.measurement import Measurement

PROBE = "collapse"
UNSEEN = "unseen"
MOST_NATS = 700.0  # largest argument whose exponential is finite
NO_RESPONSE = "no response could be scored"
TABLE_METRICS = {  # metric: column of the token table; means over tokens
    "entropy": "entropy",
    "tail_mass": "tail_mass",
    "nucleus_size": "nucleus",
    "kl_from_target": "kl_from_target",
    "kl_to_target": "kl_to_target",
}

Table = dict[str, NDArray[Any]]


def read_table(path: Path) -> Table:
    """Returns the columns of a token table by name, each of shape (tokens,)."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


def measure(
    table: Table, human: Mapping[str, Any], own: Mapping[str, Any], bins: int
) -> tuple[list[Measurement], dict[str, list[str]]]:
    """Returns all likelihood metrics, and the ids of outliers by the rule of the Eggs study.

    `human` is the likelihood of the human test responses under the cell, with `train_counts`: pairs
    of a number of occurrences in the human training text and the number of token types with it.
    `own` is the likelihood of the cell's own responses under the target. Both have the format of
    `Likelihood.to_json`. Rare tokens are those of the last of `bins` frequency bins and unseen
    ones. The outliers are lists of response ids by item set.
    """
    measurements = [*_corpus(human, "test"), *_corpus(own, "own"), *_over_tokens(table, human)]
    measurements += _by_frequency(table, human["train_counts"], bins)
    outliers = {}
    for item_set, part, with_closing in (("test", human, True), ("own", own, False)):
        of_item_set, outliers[item_set] = _over_responses(part, item_set, with_closing)
        measurements += of_item_set
    return measurements, outliers


def frequency_bins(
    counts: NDArray[np.integer[Any]], train_counts: Sequence[Sequence[int]], bins: int
) -> NDArray[np.int64]:
    """Returns the frequency bin of each token: 1 (most frequent) to `bins`, or 0 (unseen).

    `counts` are the tokens' occurrences in the training text; the result has the same shape. All
    bins have equal shares of the training text, as far as groups of equally frequent types allow.
    """
    occurrences = np.array(sorted((c for c, _ in train_counts if c > 0), reverse=True))
    types = {count: n for count, n in train_counts}  # noqa: C416
    mass = np.array([count * types[count] for count in occurrences], dtype=np.float64)
    if len(mass) == 0:
        return np.zeros(len(counts), dtype=np.int64)
    # A group of types belongs to the bin that contains the midpoint of its mass.
    midpoint = (np.cumsum(mass) - mass / 2) / mass.sum()
    bin_of_group = np.minimum((midpoint * bins).astype(np.int64), bins - 1) + 1
    position = np.searchsorted(-occurrences, -np.asarray(counts))
    group = np.minimum(position, len(occurrences) - 1)
    seen = occurrences[group] == counts
    return np.where(seen, bin_of_group[group], 0)


def interquartile_outliers(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns which values are more than 1.5 interquartile ranges outside the quartiles.

    Quartiles are interpolated linearly. `values` and the result have the shape (values,).
    """
    low, high = np.percentile(values, [25, 75])
    reach = 1.5 * (high - low)
    outside: NDArray[np.bool_] = (values < low - reach) | (values > high + reach)
    return outside


def _corpus(part: Mapping[str, Any], item_set: str) -> list[Measurement]:
    n, excluded = len(part["nats"]), len(part["excluded"])
    nats = part["nats_per_token"]
    values = {
        "nll": nats,
        "bits_per_byte": part["bits_per_byte"],
        "perplexity": None if nats is None or nats > MOST_NATS else math.exp(nats),
    }
    note = "the perplexity of the text is not finite" if n else _reason(part)
    return [
        Measurement(PROBE, metric, item_set, value, n, excluded, "" if value is not None else note)
        for metric, value in values.items()
    ]


def _over_tokens(table: Table, human: Mapping[str, Any]) -> list[Measurement]:
    n, excluded = len(table["token"]), len(human["excluded"])
    columns = {metric: table[column] for metric, column in TABLE_METRICS.items()}
    columns["token_accuracy"] = table["rank"] == 1
    return [
        Measurement(PROBE, metric, "test", _mean(column), n, excluded, "" if n else _reason(human))
        for metric, column in columns.items()
    ]


def _by_frequency(
    table: Table, train_counts: Sequence[Sequence[int]], bins: int
) -> list[Measurement]:
    nll = -table["log_prob"].astype(np.float64)
    gap = table["target_log_prob"].astype(np.float64) + nll
    bin_of_token = frequency_bins(table["train_count"], train_counts, bins)
    measurements = [_gap("nll_gap", "test", gap)]
    for number in [*range(1, bins + 1), 0]:
        name = f"test/{f'frequency {number} of {bins}' if number else UNSEEN}"
        in_bin = bin_of_token == number
        measurements += [_gap("nll", name, nll[in_bin]), _gap("nll_gap", name, gap[in_bin])]
    is_rare = (bin_of_token == bins) | (bin_of_token == 0)
    rare, others = _mean(gap[is_rare]), _mean(gap[~is_rare])
    tail = None if rare is None or others is None else rare - others
    note = "the test text has only rare tokens, or none" if tail is None else ""
    measurements.append(Measurement(PROBE, "tail_gap", "test", tail, int(is_rare.sum()), note=note))
    return measurements


def _gap(metric: str, item_set: str, values: NDArray[np.float64]) -> Measurement:
    note = "" if len(values) else "no token of the test text is in this bin"
    return Measurement(PROBE, metric, item_set, _mean(values), len(values), note=note)


def _over_responses(
    part: Mapping[str, Any], item_set: str, with_closing: bool
) -> tuple[list[Measurement], list[str]]:
    """Returns the perplexities of responses, and the ids of outliers by the Eggs study's rule.

    Without `with_closing`, that study's perplexity excludes the tokens that close the turn.
    """
    n, excluded = len(part["nats"]), len(part["excluded"])
    if not n:
        metrics = ("response_perplexity", "response_perplexity_median", "eggs_perplexity")
        reason = _reason(part)
        return [Measurement(PROBE, m, item_set, None, 0, excluded, reason) for m in metrics], []
    nats, tokens = np.array(part["nats"]), np.array(part["tokens"])
    perplexities = _exp(nats / tokens)
    eggs = perplexities
    if not with_closing:
        texts = np.maximum(tokens - np.array(part["closing_tokens"]), 1)
        eggs = _exp((nats - np.array(part["closing"])) / texts)
    # the quartiles must be finite; otherwise no response is an outlier
    is_outlier = interquartile_outliers(eggs) if np.isfinite(eggs).all() else eggs < 0
    outliers = [name for name, out in zip(part["ids"], is_outlier, strict=True) if out]
    k = len(outliers)
    note = f"without {k} outliers, which outliers.json lists"
    values = {
        "response_perplexity": (_mean(perplexities), n, excluded, ""),
        "response_perplexity_median": (float(np.median(perplexities)), n, excluded, ""),
        "eggs_perplexity": (_mean(eggs[~is_outlier]), n - k, excluded + k, note),
    }
    measurements = []
    for metric, (value, used, without, remark) in values.items():
        if value is not None and not math.isfinite(value):
            value, remark = None, "the perplexity of a response is not finite"
        measurements.append(Measurement(PROBE, metric, item_set, value, used, without, remark))
    return measurements, outliers


def _exp(nats: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        values: NDArray[np.float64] = np.exp(nats)
    return values


def _mean(values: NDArray[Any]) -> float | None:
    return math.fsum(values.astype(np.float64)) / len(values) if len(values) else None


def _reason(part: Mapping[str, Any]) -> str:
    reasons = sorted(set(part["excluded"].values()))
    return f"{NO_RESPONSE}: {'; '.join(reasons[:2])}" if reasons else NO_RESPONSE
