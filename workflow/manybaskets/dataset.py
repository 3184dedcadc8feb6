"""Rows of human prompts and responses: read, deduplicated, split, and set apart in quarters.

Also decides which prompts the sources answer and which texts judges compare. Knows nothing about
models or mixes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manybaskets import exchanges
from manybaskets.files import BadFile, read_jsonl
from manybaskets.seeds import derived_seed

QUARTERS = 4
HELD_PROMPTS_SHARE = 0.05
Row = dict[str, Any]


@dataclass(frozen=True)
class Splits:
    """What the rest of the study works on.

    `train`, `test`: rows of id, prompt, response, stratum (train also quarter, 1 to 4).
    `prompts`: id, prompt, quarter: what sources answer. `items`: id, text, request, human: texts
    for judges, what to ask a source for a candidate, and the human candidate (None where there
    is none).
    """

    train: list[Row]
    test: list[Row]
    prompts: list[Row]
    items: list[Row]
    duplicates: int


def from_documentation(
    rows: Sequence[Row], templates: dict[str, str], task: str, train: int, test: int, seed: int
) -> Splits:
    """Splits of the documentation corpus, whose modules are already apart (`split` field).

    With task `instruct` a prompt is a signature; with `summarize` it is a text whose first line
    is the response.
    """
    usable = rows if task == "instruct" else [row for row in rows if row["body"]]
    found: dict[str, list[Row]] = {"train": [], "test": []}
    for row in usable:
        if row["split"] in found:
            found[row["split"]].append(_documentation_row(row, templates, task))
    train_rows = take_stratified(found["train"], train, seed, "dataset.train")
    test_rows = take_stratified(found["test"], test, seed, "dataset.test")
    items = [
        {
            "id": f"{row['module']}:{row['name']}",
            "text": row["body"],
            "request": exchanges.summarize_prompt(templates["summarize"], row["body"]),
            "human": row["summary"],
            "stratum": row["package"],
        }
        for row in rows
        if row["split"] == "test" and 10 <= len(row["body"].split()) <= 50
    ]
    return _splits(train_rows, test_rows, None, interleave(items, seed), seed, 0)


def from_rows(
    rows: Iterable[Row],
    prompts: Sequence[str] | None,
    train: int,
    test: int,
    seed: int,
) -> Splits:
    """Splits of somebody's own rows (prompt, response, stratum); a prompt counts once.

    `prompts` are other prompts for the sources to answer, with no human response.
    """
    unique: dict[str, Row] = {}
    total = 0
    for total, row in enumerate(rows, start=1):
        unique.setdefault(" ".join(row["prompt"].split()), {"id": f"{total:06d}", **row})
    chosen = take_stratified(
        list(unique.values()), train + test, seed, "dataset.train + dataset.test"
    )
    test_rows, train_rows = chosen[:test], chosen[test:]
    others = None
    if prompts is not None:
        distinct = list(dict.fromkeys(prompts))
        others = [
            {"id": f"p{i:06d}", "prompt": p, "stratum": ""} for i, p in enumerate(distinct, 1)
        ]
    items = [
        {"id": r["id"], "text": r["prompt"], "request": r["prompt"], "human": r["response"]}
        for r in test_rows
    ]
    return _splits(train_rows, test_rows, others, items, seed, total - len(unique))


def read_human_rows(path: Path, prompt: str, response: str, stratum: str | None) -> list[Row]:
    """Rows of a JSONL file under the study's own names; BadFile names file, line and field."""
    rows = read_jsonl(path, [prompt, response, *([stratum] if stratum else [])])
    return [_named(row, path, n, prompt, response, stratum) for n, row in enumerate(rows, start=1)]


def interleave(rows: Sequence[Row], seed: int) -> list[Row]:
    """Random order in which every prefix holds the strata in proportion to their sizes."""
    strata: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        strata[row["stratum"]].append(row)
    placed = []
    for stratum, members in strata.items():
        members.sort(key=lambda row: (derived_seed(seed, "order", row["id"]), row["id"]))
        for rank, row in enumerate(members):
            placed.append(((rank + 0.5) / len(members), stratum, rank, row))
    placed.sort(key=lambda entry: entry[:3])
    return [row for *_, row in placed]


def take_stratified(rows: Sequence[Row], count: int, seed: int, key: str) -> list[Row]:
    """The first `count` rows in interleaved order; BadFile where there are too few."""
    if len(rows) < count:
        raise BadFile(
            f"{key} asks for {count} rows, but only {len(rows)} are there after removing "
            "duplicates. Lower it or bring more data."
        )
    return interleave(rows, seed)[:count]


def _splits(
    train: list[Row],
    test: list[Row],
    others: list[Row] | None,
    items: list[Row],
    seed: int,
    duplicates: int,
) -> Splits:
    train = _in_quarters(train)
    if others is None:
        prompts = [{k: row[k] for k in ("id", "prompt", "quarter")} for row in train]
    else:
        order = interleave(others, seed)
        held = max(1, int(HELD_PROMPTS_SHARE * len(order)))
        items = [
            {"id": r["id"], "text": r["prompt"], "request": r["prompt"], "human": None}
            for r in order[:held]
        ]
        whole = (len(order) - held) // QUARTERS * QUARTERS
        prompts = [
            {k: row[k] for k in ("id", "prompt", "quarter")}
            for row in _in_quarters(order[held : held + whole])
        ]
    items = [{k: row[k] for k in ("id", "text", "request", "human")} for row in items]
    return Splits(train, test, prompts, items, duplicates)


def _in_quarters(rows: Sequence[Row]) -> list[Row]:
    """Rows come interleaved, so dealing them out keeps every quarter stratified."""
    return [{**row, "quarter": number % QUARTERS + 1} for number, row in enumerate(rows)]


def _documentation_row(row: Row, templates: dict[str, str], task: str) -> Row:
    if task == "instruct":
        prompt = exchanges.instruct_prompt(templates["document"], row)
        response = row["description"]
    else:
        prompt = exchanges.summarize_prompt(templates["summarize"], row["body"])
        response = row["summary"]
    identity = f"{row['module']}:{row['name']}"
    return {"id": identity, "prompt": prompt, "response": response, "stratum": row["package"]}


def _named(row: Row, path: Path, n: int, prompt: str, response: str, stratum: str | None) -> Row:
    for field in (prompt, response):
        if not isinstance(row[field], str) or not row[field].strip():
            raise BadFile(
                f"{path}, row {n}: the field '{field}' is empty or no text. Mend the row."
            )
    return {
        "prompt": row[prompt].strip(),
        "response": row[response].strip(),
        "stratum": str(row[stratum]) if stratum else "",
    }
