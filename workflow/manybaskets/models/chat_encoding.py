"""Token ids of an exchange under a model's own chat template, and which of them are the response.

The one place that knows where a response begins and ends, for training checks and for scoring.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Encoded:
    """`ids` of the whole exchange; the response is `ids[start:]`, its closing token included."""

    ids: list[int]
    start: int
    response_bytes: int


def encode(tokenizer: "PreTrainedTokenizerBase", prompt: str, response: str) -> Encoded:
    """Encodes a one-turn exchange; the prompt's part holds the opening of the assistant's turn.

    The closing token (what the template puts right after the response) counts as response, since
    a model must learn to stop; other tokens of the template after it are dropped. Raises
    ValueError where the template does not render the response as it is.
    """
    user = [{"role": "user", "content": prompt}]
    opening = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(
        [*user, {"role": "assistant", "content": response}], tokenize=False
    )
    at = whole.find(response, len(opening) if whole.startswith(opening) else 0)
    if not whole.startswith(opening) or at < 0:
        raise ValueError(
            "the chat template does not keep the response, or renders the prompt otherwise when "
            "an answer follows. Use a tokenizer whose template is consistent."
        )
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    begins = [begin for begin, _ in encoded["offset_mapping"]]
    start = next(i for i, begin in enumerate(begins) if begin >= len(opening))
    end = at + len(response)
    closing = next((i for i, begin in enumerate(begins) if begin >= end), len(begins) - 1)
    return Encoded(list(encoded["input_ids"][: closing + 1]), start, len(response.encode()))
