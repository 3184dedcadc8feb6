"""Encodes conversations with a model's own chat template.

Training, scoring and the token table use this module, so that the response has the same tokens
in all of them. The template is rendered with a placeholder as the response. The text before the
placeholder is context, including what the template inserts into the assistant's turn (an empty
`<think>` block, the name of a channel). The text after it begins with the marker that ends the
turn. The response itself is never passed through the template, which may trim or split it.
"""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manybaskets.data.conversations import Message, with_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLACEHOLDER = "PLACEHOLDERofManybaskets"
THINK = "<think>"
Render = Callable[[list[dict[str, Any]], bool], str]  # messages, whether to open a reply


@dataclass(frozen=True)
class Frame:
    """The text of a conversation `before` and `after` its response.

    `opening` is the text after which a model begins to generate.
    """

    before: str
    after: str
    opening: str


@dataclass(frozen=True)
class Encoded:
    """Token ids of a conversation: the response is `ids[start:]`, with its `closing` tokens.

    `earlier` are the (begin, end) of earlier turns of the assistant, for a loss on all turns.
    """

    ids: list[int]
    start: int
    response_bytes: int
    closing: int = 1
    earlier: tuple[tuple[int, int], ...] = ()

    @property
    def with_loss(self) -> list[bool]:
        """Whether each token carries loss, when the loss is on responses."""
        flags = [place >= self.start for place in range(len(self.ids))]
        for begin, end in self.earlier:
            flags[begin:end] = [True] * (end - begin)
        return flags


def encode(
    tokenizer: "PreTrainedTokenizerBase",
    prompt: str,
    response: str,
    context: Sequence[Message] = (),
    turns: str = "last",
) -> Encoded:
    """Encodes a conversation of `context`, the user's `prompt` and a `response`.

    The response ends with the marker of the turn's end, through the first token at which the model
    stops to generate: a model must learn to stop. The rest of the template is dropped. A template
    without a marker gets the tokenizer's end-of-sequence token. With `turns` "all", earlier turns
    of the assistant also carry loss.

    Raises ValueError if the template cannot render the conversation, if there is neither a marker
    nor an end-of-sequence token, and if the response contains a special token.
    """
    messages = with_prompt(prompt, context)
    render = renderer(tokenizer)
    frame = frame_of(render, messages)
    before = frame.before
    if THINK in response:
        before = _before_reasoning(before, frame.opening)
    text = before + response + _ending(tokenizer, frame.after)
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = list(tokens["input_ids"]), tokens["offset_mapping"]
    end, stops = len(before) + len(response), stop_tokens(tokenizer)
    start = next(i for i, (_, last) in enumerate(offsets) if last > len(before))
    closing = next((i for i, (first, _) in enumerate(offsets) if first >= end), len(ids))
    stop = next((i for i in range(closing, len(ids)) if ids[i] in stops), len(ids) - 1)
    _check_special(tokenizer, ids[start:closing], stops)
    earlier = _earlier(render, messages, stops, text, offsets, ids) if turns == "all" else ()
    return Encoded(ids[: stop + 1], start, len(response.encode()), stop + 1 - closing, earlier)


def renderer(tokenizer: "PreTrainedTokenizerBase") -> Render:
    """Returns a function that renders messages with the tokenizer's chat template."""

    def render(messages: list[dict[str, Any]], opens: bool) -> str:
        text: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=opens
        )
        return text

    return render


def frame_of(render: Render, messages: list[Message]) -> Frame:
    """Returns the text before and after the response to `messages`.

    Some templates of vision models drop contents that are texts; they get lists of parts. Raises
    ValueError if the template cannot render the conversation or drops the response.
    """
    whole = [*messages, {"role": "assistant", "content": PLACEHOLDER}]
    frames, errors = [], []
    for form in (_as_text, _as_parts):
        try:
            text, opening = render(form(whole), False), render(form(messages), True)
        except Exception as error:  # templates raise exceptions of many kinds
            errors.append(" ".join(str(error).split())[:200] or type(error).__name__)
            continue
        before, found, after = text.rpartition(PLACEHOLDER)
        if found:
            frames.append(Frame(before, after, opening))
            if messages[-1]["content"].strip() in before:
                break
    if not frames:
        reason = errors[0] if errors else "it changes or drops the response"
        raise ValueError(
            f"the chat template cannot render the conversation: {reason}. Set chat_template of "
            "the model to a template that supports it."
        )
    return frames[-1] if messages[-1]["content"].strip() in frames[-1].before else frames[0]


def common_prefix(one: str, other: str) -> str:
    """Returns the longest text with which both texts begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return one[: next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))]


def stop_tokens(tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Returns the ids at which the model stops: those of the tokenizer and its model folder."""
    folder = str(getattr(tokenizer, "name_or_path", "") or "")
    eos = tokenizer.eos_token_id
    return _stops_of_folder(folder) | (frozenset([eos]) if eos is not None else frozenset())


@functools.lru_cache(maxsize=64)
def _stops_of_folder(folder: str) -> frozenset[int]:
    path = Path(folder, "generation_config.json")
    if not folder or not path.is_file():
        return frozenset()
    value = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    values = value if isinstance(value, list) else [value]
    return frozenset(id for id in values if isinstance(id, int))


def _as_text(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [dict(message) for message in messages]


def _as_parts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [
        {**message, "content": [{"type": "text", "text": message["content"]}]}
        for message in messages
    ]


def _before_reasoning(before: str, opening: str) -> str:
    """The text before a response that contains its own reasoning.

    It ends before the block of reasoning that the template inserts.
    """
    common = common_prefix(before, opening)
    return common[: common.rindex(THINK)] if common.rstrip().endswith(THINK) else common


def _ending(tokenizer: "PreTrainedTokenizerBase", after: str) -> str:
    """The text from the end of the response: the marker of the turn's end."""
    if after.strip():
        return after.rstrip() or after
    if not tokenizer.eos_token:
        raise ValueError(
            "the chat template does not mark the end of a response, and the tokenizer has no "
            "end-of-sequence token, so a model could not learn to stop. Set chat_template of the "
            "model."
        )
    return str(tokenizer.eos_token)


def _check_special(
    tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], stops: frozenset[int]
) -> None:
    special = stops | (frozenset(tokenizer.all_special_ids) - {tokenizer.unk_token_id})
    inside = next((id for id in ids if id in special), None)
    if inside is not None:
        token = tokenizer.convert_ids_to_tokens(inside)
        raise ValueError(f"the response contains the special token {token!r}")


def _earlier(
    render: Render,
    messages: list[Message],
    stops: frozenset[int],
    text: str,
    offsets: Sequence[tuple[int, int]],
    ids: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """The tokens of the assistant's earlier turns that the template renders as they are.

    A turn ends with its first stop token before the next message, or with the token after it.
    """
    spans = []
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        marked = [*messages]
        marked[number] = {**message, "content": PLACEHOLDER}
        before = render(_as_text(marked), True).rpartition(PLACEHOLDER)[0]
        end = len(before) + len(message["content"])
        if not before or text[len(before) : end] != message["content"]:
            continue
        following = text.find(messages[number + 1]["content"].strip(), end)
        first = next(i for i, (_, last) in enumerate(offsets) if last > len(before))
        marker = [i for i, (begin, _) in enumerate(offsets) if end <= begin < following]
        closing = next((i for i in marker if ids[i] in stops), marker[0] if marker else first)
        spans.append((first, closing + 1))
    return tuple(spans)
