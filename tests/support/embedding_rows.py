"""Constructed embeddings of texts, and plain implementations of divergences."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def unit(rows: Floats) -> Floats:
    scaled: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def texts(n: int, dimensions: int, seed: int = 0) -> Floats:
    return unit(np.random.default_rng(seed).standard_normal((n, dimensions)))


def about_topics(n: int, n_topics: int, seed: int, spread: float = 0.3) -> Floats:
    """Rows around the first `n_topics` axes of 16."""
    generator = np.random.default_rng(seed)
    centres = np.eye(16)[generator.integers(0, n_topics, n)]
    return unit(centres + spread * generator.standard_normal((n, 16)))


def collapsed(rows: Floats, share: float) -> Floats:
    """The same rows, with that share of them replaced by the first one."""
    replaced = rows.copy()
    replaced[: round(share * len(rows))] = rows[0]
    return replaced


def shuffled(rows: Floats, seed: int = 5) -> Floats:
    return np.random.default_rng(seed).permutation(rows)


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def plain_kl(p: Floats, q: Floats) -> float:
    terms = (a * math.log(a / b) if b else math.inf for a, b in zip(p, q, strict=True) if a)
    return math.fsum(terms)


def plain_mauve(p: Floats, q: Floats, c: float) -> float:
    points = {(0.0, 1.0), (1.0, 0.0)}
    for i in range(25):
        r = i / 24 * p + (1 - i / 24) * q
        points.add((math.exp(-c * plain_kl(q, r)), math.exp(-c * plain_kl(p, r))))
    curve = sorted(points, key=lambda point: (point[0], -point[1]))
    steps = pairwise(curve)
    return math.fsum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in steps)
