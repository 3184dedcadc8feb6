"""One generator per purpose, so that no draw depends on what else was drawn."""

import hashlib
import random


def derived_seed(*purpose: str | int) -> int:
    """A seed in [0, 2**31) that belongs to a purpose, for example (seed, "sample", row id)."""
    text = "\x1f".join(map(str, purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def generator(*purpose: str | int) -> random.Random:
    """A generator that belongs to a purpose."""
    return random.Random(derived_seed(*purpose))
