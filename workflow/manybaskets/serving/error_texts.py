"""Texts of errors of model servers, made safe for results and logs.

Error texts are foreign. They can contain terminal control sequences, the key, or an echo of the
request, whose prompts may be restricted.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from manybaskets.data.tables.values import encodable
from manybaskets.serving.answers import AnswerError, error_message, parsed

MAX_LENGTH = 500  # characters of a message
ECHO_LENGTH = 24  # characters that a message and a request have in common if one quotes the other
_MAX_READ = 1 << 16  # bytes of an error that are read
_TOO_LONG = re.compile(
    r"maximum context length|context_length_exceeded|context length \(|max_model_len|"
    r"prompt is too long",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")


def message_of(content: bytes) -> str:
    """Returns the message of an OpenAI-style error, or the whole text of another answer."""
    content = content[:_MAX_READ]
    try:
        return error_message(parsed(content))
    except AnswerError:
        return content.decode("utf-8", "replace")


def is_too_long(message: str) -> bool:
    """Returns whether a message reports a prompt that does not fit the model's context."""
    return bool(_TOO_LONG.search(message))


def cleaned(text: str, key: str | None, texts: Sequence[str]) -> str:
    """Returns an error text in one line without the key and without echoes of the request.

    `texts` are the texts of the request. The message is cut where it begins to quote one of them.
    """
    if key:
        text = text.replace(key, "(the key)")
    text = _without_echo(text, texts)
    return " ".join(_CONTROL.sub(" ", encodable(text)).split())[:MAX_LENGTH] or "no message"


def texts_of(body: dict[str, Any]) -> list[str]:
    """Returns the texts of the messages or of the prompt of a request."""
    texts = [message["content"] for message in body.get("messages", ())]
    prompt = body.get("prompt")
    return [*texts, prompt] if isinstance(prompt, str) else texts


def _without_echo(text: str, texts: Sequence[str]) -> str:
    text = text[:_MAX_READ]
    for quoted in (spelling for one in texts for spelling in _spellings(one)):
        start = _first_echo(text, quoted)
        if start is not None:
            text = f"{text[:start]}(the request is quoted here)"
    return text


def _spellings(text: str) -> Iterator[str]:
    """Yields a text as it is, and as JSON escapes it."""
    escaped = (json.dumps(text, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
    yield from dict.fromkeys((text, *escaped))


def _first_echo(text: str, quoted: str) -> int | None:
    """Returns where a text begins to quote another one; short texts must be quoted whole."""
    length = min(ECHO_LENGTH, len(quoted))
    if length < ECHO_LENGTH // 3:
        return None
    windows = {quoted[start : start + length] for start in range(len(quoted) - length + 1)}
    starts = range(len(text) - length + 1)
    return next((start for start in starts if text[start : start + length] in windows), None)
