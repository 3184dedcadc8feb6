"""Generated texts with a chosen vocabulary."""

from random import Random


def words(n: int, length: int, kinds: int, seed: int = 0) -> list[str]:
    """`n` texts of `length` words, drawn from a vocabulary of `kinds` words."""
    random = Random(seed)
    return [" ".join(f"w{random.randrange(kinds)}" for _ in range(length)) for _ in range(n)]
