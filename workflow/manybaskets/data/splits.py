"""Splits of a dataset: deduplicated train and test rows, with train rows in four quarters.

The splits also contain the prompts that the sources answer, and the texts for judges.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manybaskets.data import prompts as prompt_texts
from manybaskets.data.conversations import context_of
from manybaskets.data.responses import Rule, normalise, split
from manybaskets.files import InputError, read_jsonl
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

    train: list[Row]
    test: list[Row]
    prompts: list[Row]
    items: list[Row]
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
    """Returns the splits of a user's rows (prompt, response, stratum).

    `prompts` are separate prompts for the sources, without human responses. `splits` is the method
    (`interleaved` or `scikit-learn`); `duplicates` is whether rows with equal prompts are dropped
    (`drop`) or kept (`keep`). Raises InputError if there are too few rows.
    """
    unique: dict[str, Row] = {}
    total = 0
    for total, row in enumerate(rows, start=1):
        key = " ".join(row["prompt"].split()) if duplicates == "drop" else str(total)
        unique.setdefault(key, {"id": f"{total:06d}", **row})
    if splits == "scikit-learn":
        train_rows, test_rows = _as_scikit_learn(list(unique.values()), train, test, seed)
    else:
        key = "dataset.train + dataset.test"
        sampled = take_stratified(list(unique.values()), train + test, seed, key)
        test_rows, train_rows = sampled[:test], _in_quarters(sampled[test:])
    source_prompts = None
    if prompts is not None:
        distinct = list(dict.fromkeys(prompts))
        source_prompts = [
            {"id": f"p{i:06d}", "prompt": p, "stratum": ""} for i, p in enumerate(distinct, 1)
        ]
    items = [
        {"id": r["id"], "text": r["prompt"], "request": r["prompt"], "human": r["response"]}
        for r in test_rows
    ]
    return _splits(train_rows, test_rows, source_prompts, items, seed, total - len(unique))


def read_human_rows(
    path: Path,
    prompt: str,
    response: str,
    stratum: str | None,
    context: str | None = None,
    reasoning: Rule = "drop",
) -> list[Row]:
    """Returns the rows of a JSONL file with fields prompt, response and stratum.

    The arguments name the fields of the file. Raises InputError for a missing or empty field.
    """
    rows = read_jsonl(path, list(filter(None, (prompt, response, stratum, context))))
    return named_rows(rows, str(path), prompt, response, stratum, context, reasoning)


def named_rows(
    rows: Iterable[Row],
    origin: str,
    prompt: str,
    response: str,
    stratum: str | None = None,
    context: str | None = None,
    reasoning: Rule = "drop",
) -> list[Row]:
    """Returns the rows with fields prompt, response and stratum.

    `prompt`, `response`, `stratum` and `context` name the fields in `rows`; a context precedes the
    prompt. Raises InputError for an empty field, with `origin` (the file) in the message.
    """
    return [
        _named_row(row, origin, n, prompt, response, stratum, context, reasoning)
        for n, row in enumerate(rows, start=1)
    ]


def judged_texts(rows: Sequence[Row], template: str, count: int, seed: int) -> list[Row]:
    """Returns `count` items for judges, from texts with human responses in a random order.

    `template` is the prompt for sources, with {text} for the text. Raises InputError if there are
    too few texts.
    """
    if len(rows) < count:
        raise InputError(
            f"probes.preference.texts: {count} texts are needed, but the file contains "
            f"{len(rows)}. Lower items and controls, or add texts."
        )
    numbered = [{"id": f"t{number:06d}", **row} for number, row in enumerate(rows, start=1)]
    numbered.sort(key=lambda row: (derived_seed(seed, "texts", row["id"]), row["id"]))
    return [
        {
            "id": row["id"],
            "text": row["prompt"],
            "request": prompt_texts.summarize_prompt(template, row["prompt"]),
            "human": row["response"],
        }
        for row in numbered[:count]
    ]


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


def _splits(
    train: list[Row],
    test: list[Row],
    source_prompts: list[Row] | None,
    items: list[Row],
    seed: int,
    duplicates: int,
) -> Splits:
    if source_prompts is None:
        prompts = [
            {k: row[k] for k in ("id", "prompt", "quarter")} | context_of(row) for row in train
        ]
    else:
        order = interleave(source_prompts, seed)
        for_judges = max(1, int(JUDGE_PROMPTS_SHARE * len(order)))
        items = [
            {"id": r["id"], "text": r["prompt"], "request": r["prompt"], "human": None}
            for r in order[:for_judges]
        ]
        multiple = (len(order) - for_judges) // QUARTERS * QUARTERS
        prompts = [
            {k: row[k] for k in ("id", "prompt", "quarter")}
            for row in _in_quarters(order[for_judges : for_judges + multiple])
        ]
    items = [{k: row[k] for k in ("id", "text", "request", "human")} for row in items]
    return Splits(train, test, prompts, items, duplicates)


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


def _named_row(
    row: Row,
    origin: str,
    n: int,
    prompt: str,
    response: str,
    stratum: str | None,
    context: str | None,
    reasoning: Rule,
) -> Row:
    for field in (prompt, response):
        if not isinstance(row[field], str) or not row[field].strip():
            raise InputError(
                f"{origin}, row {n}: the field '{field}' is empty or not a string. Correct the row."
            )
    context_text = normalise(str(row[context] or "")) if context else ""
    prompt_text = normalise(row[prompt])
    answer = split(row[response], reasoning)
    if not answer.text:
        raise InputError(
            f"{origin}, row {n}: the field '{response}' has no text beside its reasoning. Correct "
            "the row, or set dataset.reasoning: keep."
        )
    return {
        "prompt": f"{context_text}\n\n{prompt_text}" if context_text else prompt_text,
        "response": answer.text,
        "stratum": str(row[stratum]) if stratum else "",
    }
