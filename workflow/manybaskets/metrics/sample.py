"""A sample of responses: what metrics of words are computed on."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_TOKEN = re.compile(r"\w+|[^\w\s]")

Integers = NDArray[np.int64]


class Sample(NamedTuple):
    """Responses of equal length in tokens, as many from every cell.

    `documents` are lists of tokens (words and punctuation marks), each cut to the same length.
    `tokens`, shape (tokens,), are the same as integers, documents end to end, and `lengths`,
    shape (documents,), their lengths. `texts` are the responses as they were written, not cut.
    """

    tokens: Integers
    lengths: Integers
    texts: list[str]
    documents: list[list[str]]


def tokenize(text: str) -> list[str]:
    """The words and the single punctuation marks of `text`, in order, case kept."""
    return _TOKEN.findall(text)


def encode(documents: Sequence[Sequence[str]]) -> tuple[Integers, Integers]:
    """Every token as an integer, shape (tokens,), documents end to end; lengths, (documents,)."""
    codes: dict[str, int] = {}
    tokens = [codes.setdefault(token, len(codes)) for document in documents for token in document]
    lengths = [len(document) for document in documents]
    return np.array(tokens, dtype=np.int64), np.array(lengths, dtype=np.int64)


def sample_of(texts: Sequence[str]) -> Sample:
    """A sample of whole texts, for computing a metric of words outside of a study."""
    documents = [tokenize(text) for text in texts]
    return Sample(*encode(documents), list(texts), documents)
