"""Samples of lm-evaluation-harness (`samples_*.jsonl`, written with `--log_samples`).

https://github.com/EleutherAI/lm-evaluation-harness: `arguments` contain the prompt, `resps` the
generated texts of each request (several with `repeats`), or likelihoods, which are not texts.
`filtered_resps` are extracted answers; a sample has a row for each filter, with the same `resps`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manybaskets.data.evaluations.answer import Answer, answer_of
from manybaskets.data.tables.formats import Row
from manybaskets.data.tables.values import kind_of, text_or_none

NAME = "samples of lm-evaluation-harness"


def recognises(fields: Mapping[str, Any]) -> bool:
    """Returns whether a row is a sample."""
    return {"doc", "arguments"} <= fields.keys() and bool({"resps", "filtered_resps"} & {*fields})


def answers(rows: Iterable[Row]) -> Iterator[Answer]:
    """Yields each generated text once, whatever the number of filters."""
    filters: dict[Any, Any] = {}
    for row in rows:
        fields = row.fields
        key = str(fields.get("doc_id", row.number))
        if filters.setdefault(key, fields.get("filter")) != fields.get("filter"):
            continue
        prompt = _prompt(fields["arguments"])
        for text, reason in _texts(fields):
            yield answer_of(row.number, prompt, text, fields, reason=reason)


def _prompt(arguments: Any) -> str:
    """Returns the prompt of the first request: of its list, or its object (`gen_args_0`)."""
    value = arguments
    while isinstance(value, list | tuple | Mapping) and value:
        value = next(iter(value.values())) if isinstance(value, Mapping) else value[0]
    return text_or_none(value) or ""


def _texts(fields: Mapping[str, Any]) -> list[tuple[str | None, str]]:
    """Returns each text with "", or None with the reason."""
    name = "resps" if fields.get("resps") else "filtered_resps"
    value = fields.get(name)
    requests = value if isinstance(value, list) else [value]
    if _is_likelihood(requests) or not requests:
        kind = "a likelihood" if requests else "an empty list"
        return [(None, f"the field '{name}' contains {kind} where a text is expected")]
    texts: list[tuple[str | None, str]] = []
    for one in (one for request in requests for one in _listed(request)):
        text = text_or_none(one)
        reason = f"the field '{name}' contains {kind_of(one)} where a text is expected"
        texts.append((text, "" if text is not None else reason))
    return texts


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_likelihood(requests: list[Any]) -> bool:
    """Returns whether requests are log-likelihoods, each with whether it is greedy."""
    first: Any = requests[0] if requests else None
    while isinstance(first, list) and first and isinstance(first[0], list):
        first = first[0]
    if not isinstance(first, list) or len(first) != 2:
        return False
    return str(first[1]) in ("True", "False") or isinstance(first[1], bool)
