"""Shapes of rows: which fields of a file are the prompt, the response, and what precedes them.

Recognised are the usual names of prompt and response, Alpaca (`instruction`, `input`, `output`),
Dolly (`instruction`, `context`, `response`), chat `messages` of OpenAI, ShareGPT `conversations`,
and prompt and completion as messages. Names that a config gives win.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from manybaskets.config.dataset import RowFields
from manybaskets.data.tables import turns
from manybaskets.data.tables.formats import Row, Table, open_table
from manybaskets.data.tables.turns import Message, Unusable
from manybaskets.data.tables.values import encodable, kind_of
from manybaskets.files import InputError

PROMPTS = ("prompt", "instruction", "question", "query", "problem", "request", "user", "input")
RESPONSES = ("response", "output", "answer", "completion", "assistant", "reply", "generation")
MESSAGES = ("messages", "conversations", "conversation", "dialogue", "dialog", "chat")
SYSTEMS = ("system", "system_prompt", "system_message")
BEFORE, AFTER, HISTORY = "context", "input", "history"
EXAMINED = 100  # rows whose fields show the shape
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Record:
    """A row as prompt and response. A value that is not a text is None, with a reason."""

    number: int
    prompt: str | None
    response: str | None
    context_messages: list[Message]
    """System message and earlier turns; empty for a plain row."""
    stratum: str
    reason: str
    """Why the prompt or the response is None, "" for a complete row."""
    fields: Mapping[str, Any]
    """All fields of the row."""

    @property
    def key(self) -> str:
        """The identity of the prompt with everything before it."""
        return prompt_key(self.prompt or "", self.context_messages)


@dataclass(frozen=True)
class Shape:
    """The meaning of a file's fields. A field named "" does not occur."""

    name: str
    prompt: str = ""
    response: str = ""
    messages: str = ""
    before: str = ""
    """Text that precedes the prompt, separated by an empty line (Dolly's context)."""
    after: str = ""
    """Text that follows the prompt, separated by an empty line (Alpaca's input)."""
    system: str = ""
    history: str = ""
    stratum: str = ""

    def record(self, row: Row) -> Record:
        """Returns a row as prompt and response."""
        reasons: list[str] = []
        context, prompt, response = self._exchange(row.fields, reasons)
        stratum = self._stratum(row.fields)
        reason = "; ".join(reasons)
        return Record(row.number, prompt, response, context, stratum, reason, row.fields)

    def used(self) -> list[tuple[str, str]]:
        """Returns each meaning with the field that has it."""
        meanings = (
            ("conversation", self.messages),
            ("system message", self.system),
            ("earlier turns", self.history),
            ("text before the prompt", self.before),
            ("prompt", self.prompt),
            ("text after the prompt", self.after),
            ("response", "" if self.messages else self.response),
            ("stratum", self.stratum),
        )
        return [(meaning, field) for meaning, field in meanings if field]

    def describe(self) -> str:
        """Returns name and fields as one phrase."""
        return f"{self.name} ({', '.join(f'{meaning}: {field}' for meaning, field in self.used())})"

    def _exchange(
        self, fields: Mapping[str, Any], reasons: list[str]
    ) -> tuple[list[Message], str | None, str | None]:
        """Returns context, prompt and response; adds to `reasons` why one of them is None."""
        context: list[Message] = []
        prompt: str | None = None
        response: str | None = None
        try:
            context, prompt, response = self._prompt(fields)
            context = self._system(fields, context) + context
        except Unusable as error:
            reasons.append(str(error))
        if self.response and not self.messages:
            try:
                response = self._response(fields)
            except Unusable as error:
                reasons.append(str(error))
        return context, prompt, response

    def _prompt(self, fields: Mapping[str, Any]) -> tuple[list[Message], str, str | None]:
        if self.messages and self.response:
            return turns.last_exchange(_value(fields, self.messages))
        if not (self.messages or self.prompt):
            return [], "", None
        value = _value(fields, self.messages or self.prompt)
        if self.messages or turns.is_conversation(value):
            return *turns.open_prompt(value), None
        prompt = _text(value, self.prompt)
        parts = [_optional(fields, self.before), prompt, _optional(fields, self.after)]
        if self.before or self.after:
            prompt = "\n\n".join(part.strip() for part in parts if part.strip())
        earlier = lookup(fields, self.history) if self.history else None
        earlier = None if earlier is _MISSING else earlier
        return turns.history_of(earlier), prompt, None

    def _response(self, fields: Mapping[str, Any]) -> str:
        value = _value(fields, self.response)
        asked = lookup(fields, self.prompt)
        if turns.is_conversation(value) and turns.is_conversation(asked):
            (message,) = _single(turns.messages_of(value))
            return message["content"]
        return _text(value, self.response)

    def _system(self, fields: Mapping[str, Any], context: Sequence[Message]) -> list[Message]:
        text = _optional(fields, self.system)
        if not text.strip() or (context and context[0]["role"] == "system"):
            return []
        return [{"role": "system", "content": text}]

    def _stratum(self, fields: Mapping[str, Any]) -> str:
        value = lookup(fields, self.stratum) if self.stratum else ""
        return encodable(str("" if value is _MISSING else value))


def prompt_key(prompt: str, context_messages: Sequence[Message] = ()) -> str:
    """Returns the identity of a prompt with its context, whatever its white space."""
    text = " ".join(prompt.split())
    if not context_messages:
        return text
    earlier = (f"{one['role']}\x1f{' '.join(one['content'].split())}" for one in context_messages)
    return "\x1e".join((*earlier, text))


def lookup(fields: Mapping[str, Any], name: str) -> Any:
    """Returns the value of a field; a dotted name reaches into nested objects.

    A field that does not exist is the object `shapes._MISSING`, which `has` tests.
    """
    if name in fields:
        return fields[name]
    value: Any = fields
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def has(fields: Mapping[str, Any], name: str) -> bool:
    """Returns whether a row has a field, also one of nested objects by its dotted name."""
    return lookup(fields, name) is not _MISSING


def open_records(
    path: Path | str,
    named: RowFields | None = None,
    needs_response: bool = True,
    split: str | None = None,
) -> tuple[Table, Shape]:
    """Opens a file and recognises its shape; `records` streams its rows.

    Raises InputError if the file cannot be read, or has no fields for prompt and response.
    """
    table = open_table(path, split)
    return table, shape_of(table, named, needs_response)


def usual_response(names: Collection[str]) -> str:
    """Returns the field of a usual name for the response; "" if there is none."""
    return _first(RESPONSES, names)


def records(table: Table, shape: Shape) -> Iterator[Record]:
    """Yields every row as prompt and response, complete or not."""
    return (shape.record(row) for row in table.rows())


def shape_of(table: Table, named: RowFields | None = None, needs_response: bool = True) -> Shape:
    """Returns the shape of a file by the fields of its first rows; raises InputError."""
    first = [row.fields for row in islice(table.rows(), EXAMINED)]
    names = list(dict.fromkeys(name for fields in first for name in fields))
    named = named or RowFields()
    for field in filter(None, named.model_dump().values()):
        if not any(has(fields, field) for fields in first):
            raise InputError(
                f"{table.path}: the field '{field}' is missing; the rows have "
                f"{', '.join(names[:20]) or 'no fields'}. Correct its name"
                f"{_alternative(_recognised(names, first, needs_response))}."
            )
    is_named = named.messages or named.prompt or named.response or named.context
    if is_named:
        shape = _explicit(named, names, needs_response)
    else:
        shape = _recognised(names, first, needs_response)
    if shape is None:
        wanted = "prompt" if needs_response and _first(RESPONSES, names) else "response"
        raise InputError(
            f"{table.path}: no field of a usual name for the "
            f"{wanted if needs_response else 'prompt'}; the rows have "
            f"{', '.join(names[:20]) or 'no fields'}. Name them under fields, for example "
            "{prompt: question, response: answer}."
        )
    return shape if not named.stratum else _with(shape, stratum=named.stratum)


def _alternative(shape: Shape | None) -> str:
    return f", or remove fields to read the file as {shape.describe()}" if shape else ""


def _explicit(named: RowFields, names: Collection[str], needs_response: bool) -> Shape | None:
    """Returns the shape that a config names; None if a field is neither named nor usual."""
    if named.messages:
        response = named.messages if needs_response else ""
        system = named.system or ""
        return Shape("messages", messages=named.messages, response=response, system=system)
    prompt = named.prompt or _first(PROMPTS, names)
    response = named.response or (_first(RESPONSES, names) if needs_response else "")
    if not prompt or (needs_response and not response):
        return None
    return Shape(
        "named fields",
        prompt,
        response,
        before=named.context or "",
        system=named.system or "",
        history=named.history or "",
    )


def _recognised(
    names: Collection[str], first: Sequence[Mapping[str, Any]], needs_response: bool
) -> Shape | None:
    prompt, response = _first(PROMPTS, names), _first(RESPONSES, names)
    messages, example = _conversation(first)
    system = _first(SYSTEMS, names)
    if messages and not (prompt and response):
        name = "ShareGPT" if "from" in example[0] else "chat messages"
        answer = messages if needs_response else ""
        return Shape(name, messages=messages, response=answer, system=system)
    if not prompt or (needs_response and not response):
        return None
    before, after = (_first((name,), names) for name in (BEFORE, AFTER))
    after = "" if after == prompt else after
    fields = (prompt.lower(), response.lower())
    name = "prompt and response" if needs_response else "prompts"
    if after and fields == ("instruction", "output"):
        name = "Alpaca"
    elif before and fields == ("instruction", "response"):
        name = "Dolly"
    response = response if needs_response else ""
    history = _first((HISTORY,), names)
    return Shape(name, prompt, response, "", before, after, system, history)


def _conversation(first: Sequence[Mapping[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Returns the field of a conversation and an example; "" and [] if there is none."""
    for fields in first:
        for name, value in fields.items():
            if name.lower() in MESSAGES and turns.is_conversation(value):
                return name, value
    return "", []


def _first(usual: Sequence[str], names: Collection[str]) -> str:
    """Returns the first usual name that occurs, whatever its case; "" if there is none."""
    by_name = {name.strip().lower(): name for name in reversed(list(names))}
    return next((by_name[name] for name in usual if name in by_name), "")


def _value(fields: Mapping[str, Any], name: str) -> Any:
    value = lookup(fields, name)
    if value is _MISSING:
        raise Unusable(f"the field '{name}' is missing")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Unusable(f"the field '{name}' contains {kind_of(value)} where a text is expected")
    return encodable(value)


def _optional(fields: Mapping[str, Any], name: str) -> str:
    """Returns the text of a field that may be absent or null."""
    value = lookup(fields, name) if name else None
    return "" if value is None or value is _MISSING else _text(value, name)


def _single(messages: list[Message]) -> list[Message]:
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise Unusable("the completion is not one message of the assistant")
    return messages


def _with(shape: Shape, **changes: str) -> Shape:
    return Shape(**{**shape.__dict__, **changes})
