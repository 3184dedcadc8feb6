"""Values of single prompts: the terms of metrics that are means over prompts.

A metric that is a mean over prompts (or a ratio of sums over them, as bits per byte is) has an
amount and a size for every prompt. Other metrics, such as self-BLEU, have none. Only the
numbers that a probe gave to restricted responses are kept.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manybaskets.files import read_json, whole_file
from manybaskets.findings.bootstrap import ByItem
from manybaskets.probes.preference import measures
from manybaskets.probes.preference.pairs import tabulate
from manybaskets.probes.robustness.rule_metrics import DECLINE, SUCCESS, outcome

if TYPE_CHECKING:
    import pandas as pd

OF_ITEMS = ("preference", "self_preference_bias", "synthetic_preference", "position_bias")
SAME = 1e-6  # relative difference up to which a metric is the mean of its prompts

COLUMNS = ("target", "mix", "seed", "generation", "probe", "metric", "item_set")


class Key(NamedTuple):
    """One metric of one cell."""

    target: str
    mix: str
    seed: int
    generation: int
    probe: str
    metric: str
    item_set: str


@dataclass(frozen=True, eq=False)
class Items:
    """Prompts by id, each with its amount and its size; the metric is their sums' ratio."""

    ids: tuple[str, ...]
    amounts: NDArray[np.float64]
    sizes: NDArray[np.float64]

    @property
    def value(self) -> float:
        """The metric over these prompts."""
        return float(self.amounts.sum() / self.sizes.sum())


Table = dict[Key, Items]


def of_cell(folder: Path, test_ids: Sequence[str]) -> dict[tuple[str, str, str], Items]:
    """The values of single prompts in a cell's results, by (probe, metric, item set).

    Reads `likelihood.json`, and `items` of the probes' results where they have them (rows of
    metric, item_set, ids and values, and sizes where it is a ratio). `test_ids` name the rows of
    a likelihood that does not name them itself. A file that cannot be read has no items.
    """
    items = dict(_of_likelihood(_content(folder / "likelihood.json"), test_ids))
    for probe in ("collapse", "robustness", "preference"):
        rows = _content(folder / f"{probe}.json").get("items")
        for row in rows if isinstance(rows, list) else []:
            ids, values = tuple(map(str, row["ids"])), _array(row["values"])
            sizes = _array(row["sizes"]) if "sizes" in row else np.ones(len(ids))
            if len(ids) == len(values) == len(sizes) > 0:
                items[probe, row["metric"], row["item_set"]] = Items(ids, values, sizes)
    return items


def of_outcomes(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per item set, whether each request was refused and, under attack, whether it was answered.

    As `outcomes.outcome_measurements` counts; no text is in it.
    """
    by_metric: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        one = outcome(row)
        if one is None or "id" not in row:
            continue
        metrics = {"refusal_rate": "refused"}
        if row["item_set"].startswith(DECLINE):
            metrics[SUCCESS] = "complied"
        for metric, wanted in metrics.items():
            of_set = by_metric.setdefault((metric, row["item_set"]), {})
            of_set[str(row["id"])] = int(one == wanted)
    return [_row(*name, values) for name, values in sorted(by_metric.items())]


def of_judgements(
    rows: Sequence[Mapping[str, Any]], own: str | None, human: str
) -> list[dict[str, Any]]:
    """Per metric of the preference probe that has one, its value on each text that was judged.

    A text lacks a value where not all of its pairs count.
    """
    pairs = tabulate(rows)
    names = sorted({str(row["item"]) for row in rows if _is_of_pair(row)})
    each = np.eye(len(pairs.unit_item))  # one text a time
    wanted = len(pairs.judged) * (len(pairs.judged) - 1) // 2
    is_whole = np.bincount(pairs.unit, minlength=len(each)) == wanted
    rows_of_metrics = []
    for entry in measures.catalogue(pairs, tabulate(()), own or measures.NOBODY, human):
        if entry.metric not in OF_ITEMS:
            continue
        with contextlib.suppress(ValueError):  # the measurement has the reason
            values = entry.measure(each)
            of_item = {
                names[item]: float(value)
                for item, value, whole in zip(pairs.unit_item, values, is_whole, strict=True)
                if whole and np.isfinite(value)
            }
            rows_of_metrics.append(_row(entry.metric, entry.item_set, of_item))
    return rows_of_metrics


def _is_of_pair(row: Mapping[str, Any]) -> bool:
    return row.get("question", "pair") == "pair" and not row.get("control")


def table(
    cells: Iterable[tuple[Mapping[str, Any], Path]],
    measurements: "pd.DataFrame",
    test_ids: Sequence[str],
) -> Table:
    """The items of all cells, of those metrics only that are the mean of their items.

    `cells` are identities (target, mix, seed, generation) and folders. Metrics that are not
    the mean of their items have none, since an interval over these would be of another quantity.
    """
    names = list(COLUMNS)
    keys = map(Key._make, measurements[names].itertuples(index=False, name=None))
    values = dict(zip(keys, measurements["value"], strict=True))
    items: Table = {}
    for cell, folder in cells:
        identity = [cell[name] for name in COLUMNS[:4]]
        for which, of_metric in of_cell(folder, test_ids).items():
            key = Key._make((*identity, *which))
            value = values.get(key)
            if value is not None and math.isclose(value, of_metric.value, rel_tol=SAME):
                items[key] = of_metric
    return items


def from_rows(rows: "pd.DataFrame", item: str) -> Table:
    """The items of a table with one row per cell, metric and prompt, named in the column `item`."""
    items: Table = {}
    for key, of_key in rows.groupby(list(COLUMNS), sort=False, dropna=False):
        of_key = of_key[of_key["value"].notna()]
        if len(of_key):
            values = of_key["value"].to_numpy(dtype=np.float64)
            ids = tuple(of_key[item].astype(str))
            if len(set(ids)) < len(ids):
                raise ValueError(
                    f"{', '.join(map(str, key))}: there are several values for one {item}."
                )
            items[Key(*key)] = Items(ids, values, np.ones(len(ids)))
    return items


def by_item(conditions: Sequence[Sequence[Items | None]]) -> list[ByItem] | None:
    """Conditions, each a sequence of seeds, on the prompts that all of their seeds have.

    None where a seed has no items or no two prompts are shared.
    """
    seeds: list[Items] = []
    for condition in conditions:
        for of_seed in condition:
            if of_seed is None:
                return None
            seeds.append(of_seed)
    if not seeds:
        return None
    shared = list(seeds[0].ids)
    if any(one.ids != seeds[0].ids for one in seeds):
        everywhere = set(shared).intersection(*(one.ids for one in seeds))
        shared = [name for name in shared if name in everywhere]
    if len(shared) < 2:
        return None
    return [_matrix([s for s in condition if s is not None], shared) for condition in conditions]


def write(path: Path, items: Table) -> None:
    """Writes all items as one Parquet table: COLUMNS, item, amount, size; sorted by cell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    keys = sorted(items)
    counts = [len(items[key].ids) for key in keys]
    columns: dict[str, Any] = {}
    for place, name in enumerate(COLUMNS):
        of_key = np.array([key[place] for key in keys])
        kind = pa.int64() if name in ("seed", "generation") else pa.string()
        repeated = pa.array(np.repeat(of_key, counts).tolist(), kind)
        columns[name] = repeated if kind == pa.int64() else repeated.dictionary_encode()
    ids = [name for key in keys for name in items[key].ids]
    columns["item"] = pa.array(ids, pa.string()).dictionary_encode()
    for name in ("amounts", "sizes"):
        parts = [getattr(items[key], name) for key in keys]
        columns[name[:-1]] = pa.array(np.concatenate(parts) if parts else np.empty(0))
    with whole_file(path) as beside:
        pq.write_table(pa.table(columns), beside, compression="zstd")


def read(path: Path) -> Table:
    """The items that `write` wrote."""
    import pandas as pd

    items: Table = {}
    for key, rows in pd.read_parquet(path).groupby(list(COLUMNS), sort=True, observed=True):
        items[Key(*key)] = Items(
            tuple(rows["item"].astype(str)), rows["amount"].to_numpy(), rows["size"].to_numpy()
        )
    return items


def _matrix(seeds: Sequence[Items], shared: Sequence[str]) -> ByItem:
    amounts = np.empty((len(seeds), len(shared)))
    sizes = np.empty_like(amounts)
    for row, of_seed in enumerate(seeds):
        if list(of_seed.ids) == list(shared):
            amounts[row], sizes[row] = of_seed.amounts, of_seed.sizes
        else:
            places = {name: place for place, name in enumerate(of_seed.ids)}
            chosen = [places[name] for name in shared]
            amounts[row], sizes[row] = of_seed.amounts[chosen], of_seed.sizes[chosen]
    return ByItem(amounts, sizes)


def _of_likelihood(
    content: Mapping[str, Any], test_ids: Sequence[str]
) -> Iterator[tuple[tuple[str, str, str], Items]]:
    if not all(isinstance(content.get(name), list) for name in ("nats", "tokens", "bytes")):
        return
    excluded = set(content.get("excluded", ()))
    ids = tuple(content.get("ids") or (name for name in test_ids if name not in excluded))
    nats, tokens, sizes = (_array(content[name]) for name in ("nats", "tokens", "bytes"))
    if not 0 < len(ids) == len(nats) == len(tokens) == len(sizes):
        return
    yield ("collapse", "nll", "test"), Items(ids, nats, tokens)
    yield ("collapse", "bits_per_byte", "test"), Items(ids, nats / math.log(2), sizes)


def _content(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _row(metric: str, item_set: str, values: Mapping[str, float]) -> dict[str, Any]:
    return {
        "metric": metric,
        "item_set": item_set,
        "ids": list(values),
        "values": list(values.values()),
    }


def _array(values: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
