"""Samples of responses, on which metrics of words are computed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.tokenization import tokenize

Integers = NDArray[np.int64]


class Sample(NamedTuple):
    """Responses of equal length in tokens, the same number from every cell.

    `documents` are lists of tokens (words and punctuation marks), each cut to the same length.
    `tokens`, shape (tokens,), contains them end to end as integers, and `lengths`, shape
    (documents,), their lengths. `texts` are the complete responses.
    """

    tokens: Integers
    lengths: Integers
    texts: list[str]
    documents: list[list[str]]


def encode(documents: Sequence[Sequence[str]]) -> tuple[Integers, Integers]:
    """Returns all documents' tokens as integers, (tokens,), and the lengths, (documents,)."""
    codes: dict[str, int] = {}
    tokens = [codes.setdefault(token, len(codes)) for document in documents for token in document]
    lengths = [len(document) for document in documents]
    return np.array(tokens, dtype=np.int64), np.array(lengths, dtype=np.int64)


def sample_of(texts: Sequence[str]) -> Sample:
    """Returns a sample of complete texts, to compute a metric of words outside a study."""
    documents = [tokenize(text) for text in texts]
    return Sample(*encode(documents), list(texts), documents)
