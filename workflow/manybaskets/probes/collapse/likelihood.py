"""What the likelihood of text says of a model: fit to human text, its rare tail above all.

Computes the collapse probe's likelihood metrics from the token table of the human test responses
(`token_table`) and from the summed likelihoods of human and own responses (`perplexity`). Knows
nothing about models.
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
MOST_NATS = 700.0  # whose exponential is still a number
NOTHING = "no response could be scored"
TABLE_METRICS = {  # metric: column of the token table; means over tokens
    "entropy": "entropy",
    "tail_mass": "tail_mass",
    "nucleus_size": "nucleus",
    "kl_from_target": "kl_from_target",
    "kl_to_target": "kl_to_target",
}

Table = dict[str, NDArray[Any]]


def read_table(path: Path) -> Table:
    """The columns of a token table, each of shape (tokens,)."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


def measure(
    table: Table, human: Mapping[str, Any], own: Mapping[str, Any], bins: int
) -> tuple[list[Measurement], dict[str, list[str]]]:
    """All likelihood metrics, and the responses that the Eggs study's rule leaves out.

    `human` is the likelihood of the human test responses under the cell, with `train_counts`
    (pairs: occurrences in the human training text, number of token types with so many); `own` is
    that of the cell's own responses under the target. Both as `Likelihood.to_json` writes them.
    """
    found = [*_corpus(human, "test"), *_corpus(own, "own"), *_of_tokens(table, human)]
    found += _by_frequency(table, human["train_counts"], bins)
    outliers = {}
    for item_set, part, with_closing in (("test", human, True), ("own", own, False)):
        measurements, outliers[item_set] = _of_responses(part, item_set, with_closing)
        found += measurements
    return found, outliers


def frequency_bins(
    counts: NDArray[np.integer[Any]], train_counts: Sequence[Sequence[int]], bins: int
) -> NDArray[np.int64]:
    """The frequency bin of tokens, shape as `counts`: 1 the most frequent … `bins`, 0 unseen.

    Each bin holds an equal share of the training text, as nearly as whole groups of equally
    frequent types allow; `counts` are the tokens' own occurrences there.
    """
    occurrences = np.array(sorted((c for c, _ in train_counts if c > 0), reverse=True))
    types = {count: n for count, n in train_counts}  # noqa: C416
    mass = np.array([count * types[count] for count in occurrences], dtype=np.float64)
    if len(mass) == 0:
        return np.zeros(len(counts), dtype=np.int64)
    # A group of types belongs to the bin in which the middle of its mass lies.
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    of_group = np.minimum((middle * bins).astype(np.int64), bins - 1) + 1
    place = np.searchsorted(-occurrences, -np.asarray(counts))
    known = np.minimum(place, len(occurrences) - 1)
    seen = occurrences[known] == counts
    return np.where(seen, of_group[known], 0)


def interquartile_outliers(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values lie more than 1.5 interquartile ranges outside the quartiles (linear)."""
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
    note = "the text is too unlikely for its perplexity to be a number" if n else _why(part)
    return [
        Measurement(PROBE, metric, item_set, value, n, excluded, "" if value is not None else note)
        for metric, value in values.items()
    ]


def _of_tokens(table: Table, human: Mapping[str, Any]) -> list[Measurement]:
    n, excluded = len(table["token"]), len(human["excluded"])
    columns = {metric: table[column] for metric, column in TABLE_METRICS.items()}
    columns["token_accuracy"] = table["rank"] == 1
    return [
        Measurement(PROBE, metric, "test", _mean(column), n, excluded, "" if n else _why(human))
        for metric, column in columns.items()
    ]


def _by_frequency(
    table: Table, train_counts: Sequence[Sequence[int]], bins: int
) -> list[Measurement]:
    nll = -table["log_prob"].astype(np.float64)
    gap = table["target_log_prob"].astype(np.float64) + nll
    of_token = frequency_bins(table["train_count"], train_counts, bins)
    found = [_gap("nll_gap", "test", gap)]
    for number in [*range(1, bins + 1), 0]:
        name = f"test/{f'frequency {number} of {bins}' if number else UNSEEN}"
        chosen = of_token == number
        found += [_gap("nll", name, nll[chosen]), _gap("nll_gap", name, gap[chosen])]
    rare = (of_token == bins) | (of_token == 0)
    value = _mean(gap[rare]), _mean(gap[~rare])
    known = None not in value
    tail = value[0] - value[1] if known else None  # type: ignore[operator]
    note = "" if known else "the test text has no rare, or nothing but rare tokens"
    return [*found, Measurement(PROBE, "tail_gap", "test", tail, int(rare.sum()), note=note)]


def _gap(metric: str, item_set: str, values: NDArray[np.float64]) -> Measurement:
    note = "" if len(values) else "no token of the test text is in this bin"
    return Measurement(PROBE, metric, item_set, _mean(values), len(values), note=note)


def _of_responses(
    part: Mapping[str, Any], item_set: str, with_closing: bool
) -> tuple[list[Measurement], list[str]]:
    """Perplexity per response, and as the Eggs study has it: without the rule's outliers."""
    n, excluded = len(part["nats"]), len(part["excluded"])
    if not n:
        metrics = ("response_perplexity", "response_perplexity_median", "eggs_perplexity")
        why = _why(part)
        return [Measurement(PROBE, m, item_set, None, 0, excluded, why) for m in metrics], []
    nats, tokens = np.array(part["nats"]), np.array(part["tokens"])
    each = _exp(nats / tokens)
    theirs = each
    if not with_closing:  # their first study drops the last token
        theirs = _exp((nats - np.array(part["closing"])) / np.maximum(tokens - 1, 1))
    # infinite minus infinite is no reach; then nothing is an outlier
    out = interquartile_outliers(theirs) if np.isfinite(theirs).all() else theirs < 0
    left_out = [name for name, is_out in zip(part["ids"], out, strict=True) if is_out]
    note = f"{len(left_out)} outliers left out; they are listed in outliers.json"
    values = {
        "response_perplexity": (_mean(each), n, excluded, ""),
        "response_perplexity_median": (float(np.median(each)), n, excluded, ""),
        "eggs_perplexity": (_mean(theirs[~out]), n - len(left_out), excluded + len(left_out), note),
    }
    found = []
    for metric, (value, used, without, remark) in values.items():
        if value is not None and not math.isfinite(value):
            value, remark = None, "a response is too unlikely for its perplexity to be a number"
        found.append(Measurement(PROBE, metric, item_set, value, used, without, remark))
    return found, left_out


def _exp(nats: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        found: NDArray[np.float64] = np.exp(nats)
    return found


def _mean(values: NDArray[Any]) -> float | None:
    return math.fsum(values.astype(np.float64)) / len(values) if len(values) else None


def _why(part: Mapping[str, Any]) -> str:
    reasons = sorted(set(part["excluded"].values()))
    return f"{NOTHING}: {'; '.join(reasons[:2])}" if reasons else NOTHING
