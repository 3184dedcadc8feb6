"""Conversations of other programs as messages of a system, a user and an assistant."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from manybaskets.data.tables.values import encodable, kind_of

Message = dict[str, str]
_ROLE_KEYS, _TEXT_KEYS = ("role", "from", "speaker"), ("content", "value", "text")
_ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot", "bing", "bard"), "assistant"),
}


class Unusable(ValueError):
    """A conversation that cannot be used; the message is its reason."""


class Exchange(NamedTuple):
    """A prompt with the messages before it, and the response to it."""

    context: list[Message]
    prompt: str
    response: str


def is_conversation(value: Any) -> bool:
    """Returns whether a value is a list of messages with a role and a text."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(one, dict) and _key(one, _ROLE_KEYS) for one in value)
    )


def last_exchange(value: Any) -> Exchange:
    """Returns the last response of the assistant, the prompt before it, and the earlier messages.

    Messages after that response are left out. Raises Unusable for a conversation without a
    response, with a turn of a tool, with content that is not text, or whose turns do not alternate.
    """
    messages = messages_of(value)
    answers = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
    if not answers:
        raise Unusable("the conversation has no turn of the assistant")
    *before, answer = messages[: answers[-1] + 1]
    check_order(before)
    *context, prompt = before
    return Exchange(context, prompt["content"], answer["content"])


def open_prompt(value: Any) -> tuple[list[Message], str]:
    """Returns the last prompt of a user and the messages before it; raises Unusable."""
    messages = messages_of(value)
    prompts = [n for n, message in enumerate(messages) if message["role"] == "user"]
    if not prompts:
        raise Unusable("the conversation has no turn of the user")
    asked = messages[: prompts[-1] + 1]
    check_order(asked)
    return asked[:-1], asked[-1]["content"]


def messages_of(value: Any) -> list[Message]:
    """Returns role (system, user or assistant) and content of each message; raises Unusable."""
    if not is_conversation(value):
        raise Unusable(f"expected a list of messages, found {kind_of(value)}")
    return [_message(one, number) for number, one in enumerate(value, start=1)]


def history_of(value: Any) -> list[Message]:
    """Returns the messages of earlier turns: pairs of prompt and response, or messages."""
    if value is None or value == [] or value == "":
        return []
    if is_conversation(value):
        return messages_of(value)
    messages = []
    for pair in value if isinstance(value, list | tuple) else [value]:
        if not (isinstance(pair, list | tuple) and len(pair) == 2):
            raise Unusable("the history is not a list of pairs of prompt and response")
        for role, text in zip(("user", "assistant"), pair, strict=True):
            messages.append({"role": role, "content": _text(text, f"the {role}'s earlier turn")})
    return messages


def _message(message: dict[str, Any], number: int) -> Message:
    role = str(message[_key(message, _ROLE_KEYS)]).strip().lower()
    if role not in _ROLES:
        raise Unusable(f"message {number} has the role '{role[:40]}'")
    content = message.get(_key(message, _TEXT_KEYS))
    return {"role": _ROLES[role], "content": _text(content, f"message {number}")}


def _text(content: Any, name: str) -> str:
    """Returns the text of a content: a text, or a list of parts that are all texts."""
    if isinstance(content, str):
        return encodable(content)
    if not isinstance(content, list | tuple) or not content:
        raise Unusable(f"{name} contains {kind_of(content)} where a text is expected")
    parts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            kind = part.get("type") if isinstance(part, dict) else kind_of(part)
            raise Unusable(f"{name} has a part that is not a text ({kind})")
        parts.append(encodable(text))
    return "".join(parts)


def check_order(messages: Sequence[Message]) -> None:
    """Raises Unusable unless users and assistants take turns up to a prompt of the user.

    One system message may precede the turns.
    """
    roles = [message["role"] for message in messages]
    if roles and roles[0] == "system":
        roles = roles[1:]
    expected = ["user", "assistant"] * (len(roles) // 2 + 1)
    if len(roles) % 2 == 0 or roles != expected[: len(roles)]:
        names = ", ".join(roles[:6]) or "no turn of the user"
        raise Unusable(f"the turns before the response do not alternate ({names})")


def _key(message: dict[str, Any], names: Sequence[str]) -> str:
    return next((name for name in names if name in message), "")
