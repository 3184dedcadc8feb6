"""Normalisation of responses, and the rule for the reasoning that some models write before them.

Every response enters a study through this module, whoever wrote it: people, a file, an engine or an
endpoint. Chat templates trim the text of a turn, so that responses with white space at their ends
would not be trained on as they are.
"""

import re
from dataclasses import dataclass
from typing import Literal

from manybaskets.data.tables.values import encodable

UNFINISHED = "the response ends within its reasoning"
Rule = Literal["drop", "keep", "separate"]

# Tags between which models write their reasoning. A tag in backquotes is quoted, not used.
_TAGS = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("[THINK]", "[/THINK]"))


@dataclass(frozen=True)
class Response:
    """A response without its reasoning; `is_complete` is False if it ends within the reasoning.

    `text` and `reasoning` are normalised and may be empty.
    """

    text: str
    reasoning: str = ""
    is_complete: bool = True


def normalise(text: str) -> str:
    """Returns a text without white space at its ends; lone surrogates and NUL become U+FFFD."""
    return encodable(text).strip()


def split(text: str, rule: Rule = "drop") -> Response:
    """Returns a response and its reasoning, both normalised.

    Reasoning is the text between `<think>` and `</think>` (or `<thinking>`, `[THINK]`) anywhere in
    the response, and the text before a first closing tag, since some chat templates write the
    opening tag themselves. With the rule "keep" the whole text is the response.
    """
    text = normalise(text)
    if rule == "keep":
        return Response(text)
    thoughts: list[str] = []
    is_complete = True
    for opening, closing in _TAGS:
        if closing in text or opening in text:
            text, is_closed = _without(text, opening, closing, thoughts)
            is_complete &= is_closed
    text = text.strip()
    reasoning = "\n\n".join(thought for thought in map(str.strip, thoughts) if thought)
    return Response(text, reasoning, is_complete or bool(text))


def _without(text: str, opening: str, closing: str, thoughts: list[str]) -> tuple[str, bool]:
    """Returns the text without its reasoning, and whether the reasoning is closed."""
    begin, end = (re.compile(rf"(?<!`){re.escape(tag)}(?!`)") for tag in (opening, closing))
    first_open, first_close = begin.search(text), end.search(text)
    if first_close and (first_open is None or first_close.start() < first_open.start()):
        thoughts.append(text[: first_close.start()])
        text = text[first_close.end() :]
    kept, place = [], 0
    while opened := begin.search(text, place):  # not one expression: its time would be quadratic
        kept.append(text[place : opened.start()])
        closed = end.search(text, opened.end())
        thoughts.append(text[opened.end() : closed.start() if closed else None])
        if closed is None:
            return "".join(kept), False
        place = closed.end()
    return "".join(kept) + text[place:], True
