"""Logs of Inspect (UK AI Security Institute): samples with messages and an output.

https://inspect.aisi.org.uk/eval-logs.html: a `.json` log is one object with a list of samples; an
`.eval` log is a ZIP archive with `samples/<id>_epoch_<n>.json`. Long texts may be references to
`attachments`. The response is the text of the first choice; the prompt and the messages before it
are those of the sample's conversation.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from manybaskets.data.evaluations.answer import Answer, answer_of
from manybaskets.data.tables import turns
from manybaskets.data.tables.formats import Row, Table
from manybaskets.data.tables.json_text import value_of
from manybaskets.data.tables.turns import Message, Unusable
from manybaskets.data.tables.values import text_or_none
from manybaskets.files import InputError

NAME = "a log of Inspect"
LARGEST = 1 << 28  # bytes of a sample; a larger member is not a log
_ATTACHMENT = "attachment://"


def recognises(fields: Mapping[str, Any]) -> bool:
    """Returns whether a row is a sample of a log."""
    output = fields.get("output")
    return {"input", "messages"} <= fields.keys() and isinstance(output, Mapping) and (
        "choices" in output or "completion" in output
    )  # fmt: skip


def is_archive(path: Path) -> bool:
    """Returns whether a file is a ZIP archive with samples of a log."""
    if path.is_dir() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(_is_sample(name) for name in archive.namelist())


def archive(path: Path) -> Table:
    """Opens an `.eval` log; its rows are its samples in the order of their names."""
    return Table(path, "ZIP archive", "sample", _read=partial(_samples, path))


def answers(rows: Iterable[Row]) -> Iterator[Answer]:
    """Yields the answer of each sample; several epochs are several samples of one prompt."""
    for row in rows:
        attachments = row.fields.get("attachments")
        fields = _resolved(row.fields, attachments if isinstance(attachments, Mapping) else {})
        context, prompt, reason = _asked(fields)
        response, why = _response(fields)
        if reason:
            response = None
        yield answer_of(row.number, prompt, response, fields, context, reason or why)


def _is_sample(name: str) -> bool:
    return name.startswith("samples/") and name.endswith(".json")


def _samples(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with zipfile.ZipFile(path) as opened:
        members = [one for one in opened.infolist() if _is_sample(one.filename)]
        for number, member in enumerate(sorted(members, key=lambda one: one.filename), start=1):
            where = f"{path}, {member.filename}"
            if member.file_size > LARGEST:
                raise InputError(
                    f"{where}: larger than {LARGEST >> 20} MiB. Convert the log to JSON."
                )
            try:
                sample = value_of(opened.read(member).decode("utf-8"))
            except NotImplementedError:
                raise InputError(
                    f"{where}: compressed in a way that this Python does not read. Convert the log "
                    "with `inspect log convert --to json`."
                ) from None
            except (ValueError, zipfile.BadZipFile) as error:
                raise InputError(f"{where}: {error}. Write the log again.") from None
            if not isinstance(sample, dict):
                raise InputError(f"{where}: expected an object. Write the log again.")
            yield number, sample


def _resolved(value: Any, attachments: Mapping[str, Any]) -> Any:
    """Returns a value with references to attachments replaced by their texts."""
    if not attachments:
        return value
    if isinstance(value, str) and value.startswith(_ATTACHMENT):
        return attachments.get(value.removeprefix(_ATTACHMENT), value)
    if isinstance(value, list):
        return [_resolved(one, attachments) for one in value]
    if isinstance(value, dict):
        return {
            key: one if key == "attachments" else _resolved(one, attachments)
            for key, one in value.items()
        }
    return value


def _asked(fields: Mapping[str, Any]) -> tuple[list[Message], str, str]:
    """Returns the messages before the prompt, the prompt, and why there is none."""
    asked = fields["input"]
    if isinstance(asked, str):
        asked = [{"role": "user", "content": asked}]
    try:
        messages = turns.messages_of(asked)
        first = _first(fields.get("messages"))
        is_system = isinstance(first, dict) and first.get("role") == "system"
        if is_system and messages[0]["role"] != "system":
            messages = [*turns.messages_of([first]), *messages]
        context, prompt = turns.open_prompt(messages)
    except Unusable as error:
        return [], "", str(error)
    return context, prompt, ""


def _response(fields: Mapping[str, Any]) -> tuple[str | None, str]:
    """Returns the text of the first choice without reasoning parts, or None with the reason."""
    output = fields["output"]
    choice = _first(output.get("choices"))
    if choice is None and not output.get("completion"):
        error = output.get("error") or (fields.get("error") or {})
        message = error.get("message") if isinstance(error, dict) else error
        return None, f"the sample has no output{f' ({str(message)[:120]})' if message else ''}"
    content = output.get("completion")
    if choice is not None:
        message = choice.get("message") if isinstance(choice, Mapping) else None
        content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]
        texts = [text_or_none(part.get("text")) for part in parts if part.get("type") == "text"]
        content = "\n".join(filter(None, texts)) if texts else None
    text = text_or_none(content)
    return text, "" if text is not None else "the first choice of the output contains no text"


def _first(value: Any) -> Any:
    """Returns the first element of a list; None for an empty list and for other values."""
    return value[0] if isinstance(value, list) and value else None
