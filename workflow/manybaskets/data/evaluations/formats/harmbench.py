"""Completions of HarmBench: lists of generations by the id of their behavior.

https://github.com/centerforaisafety/HarmBench: `{behavior: [{test_case, generation, label}]}`. The
test case is the prompt.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manybaskets.data.evaluations.answer import Answer, answer_of, text_fields
from manybaskets.data.tables.formats import Row

NAME = "completions of HarmBench"


def recognises(fields: Mapping[str, Any]) -> bool:
    """Returns whether every field is a behavior with generations."""
    completions = [one for value in fields.values() for one in _listed(value)]
    return bool(completions) and all(
        isinstance(one, Mapping) and {"test_case", "generation"} <= one.keys()
        for one in completions
    )


def answers(rows: Iterable[Row]) -> Iterator[Answer]:
    """Yields each generation, numbered in the order of the file."""
    number = 0
    for row in rows:
        for behavior, value in row.fields.items():
            for completion in _listed(value):
                number += 1
                fields = completion if isinstance(completion, Mapping) else {}
                prompt, response, reason = text_fields(fields, "test_case", "generation")
                fields = {"behavior_id": behavior, **fields}
                yield answer_of(number, prompt, response, fields, reason=reason)


def _listed(value: Any) -> list[Any]:
    """Returns the completions of a behavior; the reader of tables may have cut lists into rows."""
    return value if isinstance(value, list) else [value]
