"""Texts as the integer codes of their words, and their lengths."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Texts = list[list[str]]

NOTHING = np.array([], dtype=np.int64)

some_words = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60)


def coded(texts: Texts) -> tuple[Integers, Integers]:
    codes: dict[str, int] = {}
    tokens = [codes.setdefault(word, len(codes)) for text in texts for word in text]
    lengths = [len(text) for text in texts]
    return np.array(tokens, dtype=np.int64), np.array(lengths, dtype=np.int64)


def words(text: str) -> Integers:
    return coded([text.split()])[0]


def random_corpus(documents: int, length: int, seed: int = 0) -> tuple[Integers, Integers]:
    generator = np.random.default_rng(seed)
    tokens = generator.zipf(1.1, documents * length) % 5_000
    return tokens.astype(np.int64), np.full(documents, length)


def in_order(tokens: Integers, lengths: Integers, order: Integers) -> tuple[Integers, Integers]:
    texts = np.split(tokens, np.cumsum(lengths)[:-1])
    return np.concatenate([texts[i] for i in order]), lengths[order]
