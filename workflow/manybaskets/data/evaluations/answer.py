"""A prompt and a response of a file, as the commands measure and judge it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.data import responses
from manybaskets.data.tables import shapes
from manybaskets.data.tables.turns import Message
from manybaskets.data.tables.values import kind_of, text_or_none


@dataclass(frozen=True, slots=True)
class Answer:
    """A prompt and a response. A missing response is None, with its reason."""

    number: int
    """Line or row in the file, from 1."""
    prompt: str
    """"" where the file has no prompts."""
    context: Sequence[Message]
    """System message and earlier turns."""
    response: str | None
    """Without reasoning."""
    reason: str
    fields: Mapping[str, Any]
    """All fields of the row."""

    @property
    def key(self) -> str:
        """The identity of the prompt with everything before it."""
        return shapes.prompt_key(self.prompt, self.context)

    @property
    def whole_prompt(self) -> str:
        """System message, earlier turns and prompt as one text, with the speakers' names."""
        if not self.context:
            return self.prompt
        earlier = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in self.context]
        return "\n\n".join((*earlier, f"User: {self.prompt}"))


def answer_of(
    number: int,
    prompt: str,
    response: str | None,
    fields: Mapping[str, Any],
    context: Sequence[Message] = (),
    reason: str = "",
) -> Answer:
    """Returns an answer, normalised and without reasoning."""
    if response is None:
        return Answer(number, prompt, context, None, reason or "there is no response", fields)
    split = responses.split(response)
    if not split.is_complete:
        return Answer(number, prompt, context, None, responses.UNFINISHED, fields)
    return Answer(number, prompt, context, split.text, "", fields)


def text_fields(
    fields: Mapping[str, Any], prompt: str, response: str
) -> tuple[str, str | None, str]:
    """Returns prompt and response of two fields, and why the response is None.

    The response to a prompt that is not a text is None, too.
    """
    texts = [text_or_none(fields.get(name)) for name in (prompt, response)]
    for name, text in zip((prompt, response), texts, strict=True):
        if text is None:
            kind = kind_of(fields.get(name))
            reason = f"the field '{name}' contains {kind} where a text is expected"
            return texts[0] or "", None, reason
    return texts[0] or "", texts[1], ""
