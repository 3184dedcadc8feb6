"""Encodes single-turn exchanges with a model's own chat template.

Training and scoring both use this module, so that the response has the same tokens in both.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Encoded:
    """Token ids of an exchange: the response is `ids[start:]`, including its closing token."""

    ids: list[int]
    start: int
    response_bytes: int


def encode(tokenizer: "PreTrainedTokenizerBase", prompt: str, response: str) -> Encoded:
    """Encodes a single-turn exchange; the prompt's part includes the opening of the reply.

    The first template token after the response (the closing token) belongs to the response, since
    a model must learn to stop; the template's later tokens are dropped. Raises ValueError if the
    template changes the response, or renders the prompt differently before a response.
    """
    user = [{"role": "user", "content": prompt}]
    opening = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(
        [*user, {"role": "assistant", "content": response}], tokenize=False
    )
    at = whole.find(response, len(opening) if whole.startswith(opening) else 0)
    if not whole.startswith(opening) or at < 0:
        raise ValueError(
            "the chat template changes the response, or renders the prompt differently when a "
            "response follows. Use a tokenizer with a consistent template."
        )
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    begins = [begin for begin, _ in encoded["offset_mapping"]]
    start = next(i for i, begin in enumerate(begins) if begin >= len(opening))
    end = at + len(response)
    closing = next((i for i, begin in enumerate(begins) if begin >= end), len(begins) - 1)
    return Encoded(list(encoded["input_ids"][: closing + 1]), start, len(response.encode()))
