"""Splits of a dataset: deduplicated train and test rows, with train rows in four quarters.

The splits also contain the prompts that the sources answer, and the texts for judges.
"""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.data import prompts as prompt_texts
from manybaskets.data.conversations import context_of, messages_of
from manybaskets.data.row_store import RowStore, StoredRows
from manybaskets.data.tables.shapes import prompt_key
from manybaskets.files import InputError, canonical_json
from manybaskets.seeds import derived_seed

QUARTERS = 4
JUDGE_PROMPTS_SHARE = 0.05  # of separate prompts for sources; judges compare responses to these
Row = dict[str, Any]


@dataclass(frozen=True)
class Splits:
    """The rows that the rest of the study uses.

    `train`, `test`: rows of id, prompt, response and stratum (train also quarter, 1 to 4).
    `prompts`: the prompts that sources answer (id, prompt, quarter). `items`: texts for judges
    (id, text), the prompt for which sources write a candidate (request), and the human candidate
    (human, or None). `duplicates`: number of dropped duplicates.
    """

    train: Sequence[Row]
    test: Sequence[Row]
    prompts: Sequence[Row]
    items: Sequence[Row]
    duplicates: int


def from_documentation(
    rows: Sequence[Row], templates: dict[str, str], task: str, train: int, test: int, seed: int
) -> Splits:
    """Returns the splits of the documentation corpus, by the `split` field of its rows.

    With task `instruct`, a prompt is a signature and its response a description. With `summarize`,
    a prompt is a body and its response a summary. Raises InputError if there are too few rows.
    """
    usable = rows if task == "instruct" else [row for row in rows if row["body"]]
    by_split: dict[str, list[Row]] = {"train": [], "test": []}
    for row in usable:
        if row["split"] in by_split:
            by_split[row["split"]].append(_documentation_row(row, templates, task))
    train_rows = _in_quarters(take_stratified(by_split["train"], train, seed, "dataset.train"))
    test_rows = take_stratified(by_split["test"], test, seed, "dataset.test")
    items = [
        {
            "id": f"{row['module']}:{row['name']}",
            "text": row["body"],
            "request": prompt_texts.summarize_prompt(templates["summarize"], row["body"]),
            "human": row["summary"],
            "stratum": row["package"],
        }
        for row in rows
        if row["split"] == "test" and 10 <= len(row["body"].split()) <= 50
    ]
    ordered = [
        {key: row[key] for key in ("id", "text", "request", "human")}
        for row in interleave(items, seed)
    ]
    return _splits(train_rows, test_rows, None, ordered, seed, 0)


def from_rows(
    rows: Iterable[Row],
    prompts: Iterable[Row] | None,
    train: int,
    test: int,
    seed: int,
    splits: str = "interleaved",
    duplicates: str = "drop",
) -> Splits:
    """Returns the splits of a user's rows (prompt, response, stratum, and perhaps their context).

    `prompts` are separate prompts for the sources, without human responses. `splits` is the method
    (`interleaved` or `scikit-learn`); `duplicates` is whether rows with equal prompts and contexts
    are dropped (`drop`) or kept (`keep`). The texts are in a temporary file. Raises InputError if
    there are too few rows.
    """
    store = RowStore()
    unique, dropped = _unique(rows, store, duplicates)
    if splits == "scikit-learn":
        train_rows, test_rows = _as_scikit_learn(unique, train, test, seed)
    else:
        key = "dataset.train + dataset.test"
        sampled = take_stratified(unique, train + test, seed, key)
        test_rows, train_rows = sampled[:test], _in_quarters(sampled[test:])
    return _splits(
        StoredRows(store, train_rows),
        StoredRows(store, test_rows),
        None if prompts is None else _source_prompts(prompts),
        StoredRows(store, test_rows, _item),
        seed,
        dropped,
    )


def judged_texts(rows: Iterable[Row], template: str, count: int, seed: int) -> list[Row]:
    """Returns `count` items for judges, from texts with human responses in a random order.

    `template` is the prompt for sources, with {text} for the text. Raises InputError if there are
    too few texts.
    """
    store = RowStore()
    entries: list[Row] = [
        {"id": f"t{number:06d}", "at": store.append(row)}
        for number, row in enumerate(rows, start=1)
    ]
    if len(entries) < count:
        raise InputError(
            f"probes.preference.texts: {count} texts are needed, but the file contains "
            f"{len(entries)}. Lower items and controls, or add texts."
        )
    entries.sort(key=lambda row: (derived_seed(seed, "texts", row["id"]), row["id"]))
    return [
        {
            "id": row["id"],
            "text": row["prompt"],
            "request": prompt_texts.summarize_prompt(template, row["prompt"]),
            "human": row["response"],
        }
        for row in StoredRows(store, entries[:count])
    ]


def transcript(row: Row) -> str:
    """Returns the prompt as one text, after the system message and the earlier turns, if any."""
    if not row.get("context_messages"):
        return str(row["prompt"])
    turns = (f"{one['role'].capitalize()}: {one['content'].strip()}" for one in messages_of(row))
    return "\n\n".join(turns)


def interleave(rows: Sequence[Row], seed: int) -> list[Row]:
    """Returns the rows in a random order in which every prefix has proportional strata."""
    strata: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        strata[row["stratum"]].append(row)
    ranked = []
    for stratum, members in strata.items():
        members.sort(key=lambda row: (derived_seed(seed, "order", row["id"]), row["id"]))
        for rank, row in enumerate(members):
            ranked.append(((rank + 0.5) / len(members), stratum, rank, row))
    ranked.sort(key=lambda entry: entry[:3])
    return [row for *_, row in ranked]


def take_stratified(rows: Sequence[Row], count: int, seed: int, key: str) -> list[Row]:
    """Returns the first `count` rows in interleaved order.

    Raises InputError with the config `key` in its message if there are too few rows.
    """
    if len(rows) < count:
        raise InputError(
            f"{key} is {count}, but there are only {len(rows)} rows without duplicates. "
            "Lower it, or add data."
        )
    return interleave(rows, seed)[:count]


def _unique(rows: Iterable[Row], store: RowStore, duplicates: str) -> tuple[list[Row], int]:
    """Stores the rows without duplicates; returns their entries and the number of duplicates."""
    entries: list[Row] = []
    keys: set[bytes] = set()
    total = 0
    for total, row in enumerate(rows, start=1):
        if duplicates == "drop":
            key = prompt_key(row["prompt"], row.get("context_messages", ()))
            digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
            if digest in keys:
                continue
            keys.add(digest)
        stratum = sys.intern(row["stratum"])
        entries.append({"id": f"{total:06d}", "stratum": stratum, "at": store.append(row)})
    return entries, total - len(entries)


def _source_prompts(prompts: Iterable[Row]) -> list[Row]:
    distinct: dict[str, Row] = {}
    for row in prompts:
        distinct.setdefault(canonical_json(_asked(row)), row)
    return [
        {"id": f"p{number:06d}", **_asked(row), "stratum": ""}
        for number, row in enumerate(distinct.values(), start=1)
    ]


def _asked(row: Row) -> Row:
    """Returns the part of a row that a source receives."""
    return {"prompt": row["prompt"]} | context_of(row)


def _prompt(row: Row) -> Row:
    return {"id": row["id"], **_asked(row), "quarter": row["quarter"]}


def _item(row: Row) -> Row:
    text = transcript(row)
    return {"id": row["id"], "text": text, "request": text, "human": row.get("response")}


def _splits(
    train: Sequence[Row],
    test: Sequence[Row],
    source_prompts: list[Row] | None,
    items: Sequence[Row],
    seed: int,
    duplicates: int,
) -> Splits:
    prompts: Sequence[Row]
    if source_prompts is None:
        prompts = train.viewed(_prompt) if isinstance(train, StoredRows) else _prompts(train)
    else:
        order = interleave(source_prompts, seed)
        for_judges = max(1, int(JUDGE_PROMPTS_SHARE * len(order)))
        items = [_item(row) for row in order[:for_judges]]
        multiple = (len(order) - for_judges) // QUARTERS * QUARTERS
        prompts = _prompts(_in_quarters(order[for_judges : for_judges + multiple]))
    return Splits(train, test, prompts, items, duplicates)


def _prompts(rows: Sequence[Row]) -> list[Row]:
    return [_prompt(row) for row in rows]


def _as_scikit_learn(
    rows: list[Row], train: int, test: int, seed: int
) -> tuple[list[Row], list[Row]]:
    """Returns train and test rows split as in the Eggs study (arXiv 2511.01490).

    The authors' notebook calls scikit-learn's `train_test_split`, stratified by category, and
    splits the train rows into halves and these into quarters, all with one seed.
    """
    from sklearn.model_selection import train_test_split

    if len(rows) < train + test:
        raise InputError(
            f"dataset.train + dataset.test is {train + test}, but there are only {len(rows)} rows "
            "without duplicates. Lower it, or add data."
        )

    def split(rows: list[Row], **size: float) -> tuple[list[Row], list[Row]]:
        strata = [row["stratum"] for row in rows]
        stratify = strata if len(set(strata)) > 1 else None
        try:
            one, other = train_test_split(rows, random_state=seed, stratify=stratify, **size)
        except ValueError as error:
            raise InputError(f"dataset: the rows cannot be split by stratum: {error}") from None
        return one, other

    train_rows, test_rows = split(rows, train_size=train, test_size=test)
    halves = split(train_rows, test_size=0.5)
    quarters = [quarter for half in halves for quarter in split(half, test_size=0.5)]
    with_quarter = [
        {**row, "quarter": number} for number, part in enumerate(quarters, start=1) for row in part
    ]
    return with_quarter, test_rows


def _in_quarters(rows: Sequence[Row]) -> list[Row]:
    """Returns interleaved rows with their quarter; every quarter has proportional strata."""
    return [{**row, "quarter": number % QUARTERS + 1} for number, row in enumerate(rows)]


def _documentation_row(row: Row, templates: dict[str, str], task: str) -> Row:
    if task == "instruct":
        prompt = prompt_texts.instruct_prompt(templates["document"], row)
        response = row["description"]
    else:
        prompt = prompt_texts.summarize_prompt(templates["summarize"], row["body"])
        response = row["summary"]
    identity = f"{row['module']}:{row['name']}"
    return {"id": identity, "prompt": prompt, "response": response, "stratum": row["package"]}
