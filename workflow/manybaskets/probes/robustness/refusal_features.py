"""Features of a response for the learned refusal detector: n-grams and texts to embed.

A refusal is stated at the beginning, so all features are of the first three sentences. Contractions
are expanded ("can't" is "cannot"), so that styles of different models share their n-grams.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.refusal import opening_sentences

LONGEST = 3  # words of an n-gram
_BOUNDARY = " . "  # between sentences; an n-gram may contain it
_EXPANSIONS = [
    (re.compile(pattern), text)
    for pattern, text in (
        (r"\bcan't\b|\bcan not\b", "cannot"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"'m\b", " am"),
        (r"'re\b", " are"),
        (r"'ve\b", " have"),
        (r"'ll\b", " will"),
        (r"'d\b", " would"),
        (r"\b(it|that|there|what)'s\b", r"\1 is"),
    )
]

# "I must decline" is a refusal whatever the rest says; the training labels contain it once.
_DECLINES = re.compile(
    r"\b(?:i|we) (?:(?:must|have to|need to|will|would|respectfully|politely|kindly|firmly|"
    r"therefore) )*(?:decline|refuse)\b"
)


def declines(text: str) -> bool:
    """Returns whether a response begins with a sentence in which the writer declines or refuses."""
    return _DECLINES.search(opening(text)) is not None


def opening(text: str, sentences: int = 3) -> str:
    """Returns the first sentences of a response, normalised, with contractions expanded."""
    joined = _BOUNDARY.join(opening_sentences(text)[:sentences])
    for pattern, expanded in _EXPANSIONS:
        joined = pattern.sub(expanded, joined)
    return joined


def ngrams(opening: str) -> set[str]:
    """Returns hashes of all n-grams of one to three words; hashes do not reveal the responses."""
    words = opening.split()
    return {
        hashed(" ".join(words[begin : begin + n]))
        for n in range(1, LONGEST + 1)
        for begin in range(len(words) - n + 1)
    }


def hashed(ngram: str) -> str:
    """Returns 48 bits of the BLAKE2b hash of an n-gram, in hexadecimal digits."""
    return hashlib.blake2b(ngram.encode("utf-8", "replace"), digest_size=6).hexdigest()


def embedded_texts(text: str) -> tuple[str, str]:
    """Returns the texts of a response that are embedded: its first and its first three sentences.

    The contractions are as in the response.
    """
    sentences = opening_sentences(text)
    return (sentences[0] if sentences else ""), " ".join(sentences)


def joined_vectors(first: NDArray[np.float32], whole: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the embeddings of both texts side by side, shape (responses, 2 × dimensions)."""
    return np.hstack([first, whole]).astype(float)


def indicator(openings: Sequence[str], vocabulary: Sequence[str]) -> NDArray[np.float64]:
    """Returns which n-grams of the vocabulary each opening contains: (openings, vocabulary)."""
    column = {ngram: place for place, ngram in enumerate(vocabulary)}
    table = np.zeros((len(openings), len(vocabulary)))
    for row, text in enumerate(openings):
        table[row, [column[ngram] for ngram in ngrams(text) if ngram in column]] = 1
    return table
