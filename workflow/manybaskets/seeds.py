"""Random generators derived from a purpose, so that no draw depends on other draws."""

import hashlib
import random


def derived_seed(*purpose: str | int) -> int:
    """Returns the seed in [0, 2**31) of a purpose, for example (seed, "sample", row id).

    The seed is the first 31 bits of the SHA-256 of the parts, joined by the unit separator.
    """
    text = "\x1f".join(map(str, purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def generator(*purpose: str | int) -> random.Random:
    """Returns a new generator, seeded with `derived_seed(*purpose)`."""
    return random.Random(derived_seed(*purpose))
