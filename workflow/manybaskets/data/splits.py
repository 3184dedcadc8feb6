"""Rows of human prompts and responses: read, deduplicated, split, and set apart in quarters.

Also decides which prompts the sources answer and which texts judges compare. Knows nothing about
models or mixes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manybaskets.data import prompts as prompt_texts
from manybaskets.files import InputError, read_jsonl
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
    train_rows = _in_quarters(take_stratified(found["train"], train, seed, "dataset.train"))
    test_rows = take_stratified(found["test"], test, seed, "dataset.test")
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
    return _splits(train_rows, test_rows, None, interleave(items, seed), seed, 0)


def from_rows(
    rows: Iterable[Row],
    prompts: Sequence[str] | None,
    train: int,
    test: int,
    seed: int,
    splits: str = "interleaved",
    duplicates: str = "drop",
) -> Splits:
    """Splits of somebody's own rows (prompt, response, stratum).

    `prompts` are other prompts for the sources to answer, with no human response. `splits` says
    how rows are split (`interleaved`, `scikit-learn`), `duplicates` whether a prompt that stands
    twice counts once (`drop`) or stays (`keep`).
    """
    unique: dict[str, Row] = {}
    total = 0
    for total, row in enumerate(rows, start=1):
        key = " ".join(row["prompt"].split()) if duplicates == "drop" else str(total)
        unique.setdefault(key, {"id": f"{total:06d}", **row})
    if splits == "scikit-learn":
        train_rows, test_rows = _as_scikit_learn(list(unique.values()), train, test, seed)
    else:
        asked_by = "dataset.train + dataset.test"
        chosen = take_stratified(list(unique.values()), train + test, seed, asked_by)
        test_rows, train_rows = chosen[:test], _in_quarters(chosen[test:])
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


def read_human_rows(
    path: Path, prompt: str, response: str, stratum: str | None, context: str | None = None
) -> list[Row]:
    """Rows of a JSONL file under the study's own names; InputError names file, line and field."""
    rows = read_jsonl(path, list(filter(None, (prompt, response, stratum, context))))
    return named_rows(rows, str(path), prompt, response, stratum, context)


def named_rows(
    rows: Iterable[Row],
    place: str,
    prompt: str,
    response: str,
    stratum: str | None = None,
    context: str | None = None,
) -> list[Row]:
    """Rows under the study's own names, from those given; InputError names place, row and field."""
    return [
        _named(row, place, n, prompt, response, stratum, context)
        for n, row in enumerate(rows, start=1)
    ]


def judged_texts(rows: Sequence[Row], template: str, count: int, seed: int) -> list[Row]:
    """Items for judges from `count` rows of texts with a human response, in an order of the seed.

    `template` is what sources are asked, with {text} in it. InputError where there are too few.
    """
    if len(rows) < count:
        raise InputError(
            f"probes.preference.texts: {count} texts are asked for, but only {len(rows)} are "
            "there. Lower items and controls, or bring more texts."
        )
    named = [{"id": f"t{number:06d}", **row} for number, row in enumerate(rows, start=1)]
    named.sort(key=lambda row: (derived_seed(seed, "texts", row["id"]), row["id"]))
    return [
        {
            "id": row["id"],
            "text": row["prompt"],
            "request": prompt_texts.summarize_prompt(template, row["prompt"]),
            "human": row["response"],
        }
        for row in named[:count]
    ]


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
    """The first `count` rows in interleaved order; InputError where there are too few."""
    if len(rows) < count:
        raise InputError(
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


def _as_scikit_learn(
    rows: list[Row], train: int, test: int, seed: int
) -> tuple[list[Row], list[Row]]:
    """Train and test rows as the Eggs study splits (arXiv 2511.01490), quarters in its order.

    From their notebook: `train_test_split` stratified by category, then halves, and halves of
    those, all with one seed.
    """
    from sklearn.model_selection import train_test_split

    if len(rows) < train + test:
        raise InputError(
            f"dataset.train + dataset.test ask for {train + test} rows, but only {len(rows)} are "
            "there. Lower them or bring more data."
        )

    def split(rows: list[Row], **size: float) -> tuple[list[Row], list[Row]]:
        strata = [row["stratum"] for row in rows]
        several = strata if len(set(strata)) > 1 else None
        try:
            one, other = train_test_split(rows, random_state=seed, stratify=several, **size)
        except ValueError as error:
            raise InputError(f"dataset: the rows cannot be split by stratum: {error}") from None
        return one, other

    kept, tested = split(rows, train_size=train, test_size=test)
    halves = [
        quarter for half in split(kept, test_size=0.5) for quarter in split(half, test_size=0.5)
    ]
    named = [
        {**row, "quarter": number} for number, part in enumerate(halves, start=1) for row in part
    ]
    return named, tested


def _in_quarters(rows: Sequence[Row]) -> list[Row]:
    """Rows come interleaved, so dealing them out keeps every quarter stratified."""
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


def _named(
    row: Row,
    place: str,
    n: int,
    prompt: str,
    response: str,
    stratum: str | None,
    context: str | None,
) -> Row:
    for field in (prompt, response):
        if not isinstance(row[field], str) or not row[field].strip():
            raise InputError(
                f"{place}, row {n}: the field '{field}' is empty or no text. Mend the row."
            )
    about = str(row[context] or "").strip() if context else ""
    return {
        "prompt": f"{about}\n\n{row[prompt].strip()}" if about else row[prompt].strip(),
        "response": row[response].strip(),
        "stratum": str(row[stratum]) if stratum else "",
    }
