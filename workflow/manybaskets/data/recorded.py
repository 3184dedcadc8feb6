"""Recorded responses: read from a file and looked up by prompt and context.

Several rows for one prompt are several samples, in the order of the file. A row whose response is
not a text is a sample of the state `missing`, which comes after the prompt's other samples.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from manybaskets.config.dataset import RowFields
from manybaskets.data.conversations import context_of
from manybaskets.data.responses import UNFINISHED, Response, Rule, split
from manybaskets.data.splits import transcript
from manybaskets.data.tables import shapes
from manybaskets.data.tables.shapes import Record, prompt_key
from manybaskets.files import InputError

Row = Mapping[str, Any]


class Recorded(NamedTuple):
    """One response of a file, or why it has none."""

    text: str | None
    """The text as it is in the file; None if it is not a text."""
    reason: str


@dataclass
class Recording:
    """The responses of a file to the prompts of a study, and what is wrong with its rows."""

    place: str
    """The file, for messages."""
    samples: dict[str, list[Recorded]] = field(default_factory=dict)
    """The responses by the key of their prompt."""
    rows: int = 0
    without_prompt: int = 0
    first_without_prompt: str = ""
    missing: int = 0
    """Rows whose response is not a text."""
    first_missing: str = ""

    def of(self, row: Row) -> list[Recorded]:
        """Returns the responses to a prompt."""
        return self.samples.get(key_of(row), [])

    def lacking(self, rows: Iterable[Row]) -> list[Row]:
        """Returns the prompts without a response."""
        return [row for row in rows if not self.of(row)]

    @property
    def has_text(self) -> bool:
        """Whether a prompt of the study has a response that is a text and not empty."""
        return any((one.text or "").strip() for ones in self.samples.values() for one in ones)

    def notes(self, rows: Sequence[Row], needed: int) -> list[str]:
        """Returns what a study with `needed` samples per prompt does with the file's rows."""
        texts = []
        counts = [len(self.of(row)) for row in rows]
        fewer = sum(0 < count < needed for count in counts)
        more = sum(count > needed for count in counts)
        if self.missing:
            texts.append(
                f"{self.missing:,} of {self.rows:,} rows have the state 'missing' and are in no "
                f"mix and no rate; the first is {self.first_missing}."
            )
        if self.without_prompt:
            texts.append(
                f"{self.without_prompt:,} of {self.rows:,} rows have no prompt and are not used; "
                f"the first is {self.first_without_prompt}."
            )
        if fewer:
            texts.append(
                f"{fewer:,} of {len(counts):,} prompts have fewer than the {needed} responses that "
                "the mixes need; selections choose among those that exist."
            )
        if more:
            texts.append(
                f"{more:,} of {len(counts):,} prompts have more responses than the {needed} that "
                "the mixes need; they use the first in the order of the file."
            )
        return texts

    def _add(self, record: Record, where: str, wanted: set[str]) -> None:
        self.rows += 1
        if record.prompt is None:
            self.without_prompt += 1
            self.first_without_prompt = self.first_without_prompt or f"{where}: {record.reason}"
            return
        if record.response is None:
            self.missing += 1
            self.first_missing = self.first_missing or f"{where}: {record.reason}"
        keys = {record.key}
        if record.context_messages:  # an item of judges is one text
            row = {"prompt": record.prompt, "context_messages": record.context_messages}
            keys.add(prompt_key(transcript(row)))
        for key in keys & wanted:
            self.samples.setdefault(key, []).append(Recorded(record.response, record.reason))


def read(source: Mapping[str, Any], prompts: Iterable[Row]) -> Recording:
    """Returns the responses of a recorded source to `prompts` (rows of prompt and context).

    The file is streamed; only these responses are kept. Raises InputError if it is unusable.
    """
    wanted = {key_of(row) for row in prompts}
    table, shape = shapes.open_records(Path(source["recorded"]), RowFields(**source["fields"]))
    recording = Recording(str(table.path))
    for record in shapes.records(table, shape):
        recording._add(record, f"{table.unit} {record.number}", wanted)
    for samples in recording.samples.values():
        samples.sort(key=lambda one: one.text is None)
    return recording


def response_rows(
    source: Mapping[str, Any], prompt_rows: Sequence[dict[str, Any]], reasoning: Rule = "drop"
) -> list[dict[str, Any]]:
    """Returns one response row per prompt row, which may have a `sample` from 0.

    A sample that the file does not have is a row of the state `missing`. Raises InputError for a
    prompt without any response.
    """
    recording = read(source, prompt_rows)
    lacking = recording.lacking(prompt_rows)
    if lacking:
        raise InputError(missing_message(source, [row["prompt"] for row in lacking], prompt_rows))
    return [_response_row(row, recording.of(row), reasoning) for row in prompt_rows]


def missing_message(source: Mapping[str, Any], lacking: Sequence[str], rows: Sequence[Row]) -> str:
    """Returns the error message for a source without responses to `lacking` prompts of `rows`."""
    first = " ".join(lacking[0].split())[:80]
    return (
        f"{source['recorded']}: no response to {len(lacking)} of {len(rows)} prompts; the first is "
        f"'{first}…'. Add the responses, or correct the prompts' field name under fields; input, "
        "context, system message and earlier turns are part of a prompt."
    )


def key_of(row: Row) -> str:
    """Returns the identity of a prompt with its context."""
    return prompt_key(row["prompt"], row.get("context_messages") or ())


def _response_row(row: Row, samples: Sequence[Recorded], reasoning: Rule) -> dict[str, Any]:
    sample = row.get("sample", 0)
    count = f"{len(samples)} response{'s' if len(samples) > 1 else ''}"
    one = Recorded(None, f"the file has {count} to this prompt")
    if sample < len(samples):
        one = samples[sample]
    response = Response("") if one.text is None else split(one.text, reasoning)
    state, reason = _state(one, response)
    fields = {
        "id": row["id"],
        "prompt": row["prompt"],
        **context_of(row),
        "response": response.text,
        "state": state,
        "reason": reason,
        "tokens": None,
    }
    return fields | ({"reasoning": response.reasoning} if reasoning == "separate" else {})


def _state(one: Recorded, response: Response) -> tuple[str, str]:
    if one.text is None:
        return "missing", one.reason
    if response.text:
        return "ok", ""
    return "empty", "the recorded answer is empty" if response.is_complete else UNFINISHED
