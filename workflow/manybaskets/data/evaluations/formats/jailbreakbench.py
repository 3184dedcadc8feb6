"""Artifacts of JailbreakBench: prompts of an attack and the responses to them.

https://github.com/JailbreakBench/artifacts: `{parameters, jailbreaks: [{goal, prompt, response,
jailbroken}]}`. Prompt and response are null where the attack has no prompt.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manybaskets.data.evaluations.answer import Answer, answer_of, text_fields
from manybaskets.data.tables.formats import Row

NAME = "artifacts of JailbreakBench"


def recognises(fields: Mapping[str, Any]) -> bool:
    """Returns whether the file is one object with parameters and jailbreaks."""
    return "parameters" in fields and isinstance(fields.get("jailbreaks"), list)


def answers(rows: Iterable[Row]) -> Iterator[Answer]:
    """Yields each jailbreak, numbered in the order of the file."""
    number = 0
    for row in rows:
        for jailbreak in row.fields["jailbreaks"]:
            number += 1
            fields = jailbreak if isinstance(jailbreak, Mapping) else {}
            prompt, response, reason = text_fields(fields, "prompt", "response")
            yield answer_of(number, prompt, response, fields, reason=reason)
