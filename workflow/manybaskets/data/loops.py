"""Self-consuming loops: the origins of the rows of a generation, and its training set.

Generation 1 is trained on the rows R of the mix. S(t) are the rows that join for a later
generation t: responses of the models of generation t - 1 and, if the loop's recipe includes them,
human rows. The regime determines the training set (`replace`, `accumulate` and `fresh` after
Gerstgrasser et al., arXiv:2404.01413, and Alemohammad et al., arXiv:2307.01850;
`accumulate-subsample` after Kazdan et al., arXiv:2410.16713). All functions are pure functions of
the recipe, the seed and the prompts.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.config.mixes import human_rows
from manybaskets.data import mixes
from manybaskets.data.splits import Row
from manybaskets.metrics.tokenization import count_words
from manybaskets.seeds import derived_seed, generator

KEEPS_ALL = (
    "accumulate",
    "accumulate-subsample",
)  # regimes that also train on the rows of earlier generations


@dataclass(frozen=True)
class Joining:
    """The rows S(t) that join for one generation.

    `human` is the share of human rows; the origins in `writers` write the others, in equal shares.
    With `unseen`, no earlier generation was trained on the human rows: earlier generations have
    used the first `seen` of the human rows outside R.
    """

    generation: int
    human: float
    writers: tuple[str, ...]
    unseen: bool = False
    seen: int = 0


def joining(described: Mapping[str, Any]) -> Joining:
    """Returns the Joining that a job's spec describes."""
    return Joining(**{**described, "writers": tuple(described["writers"])})


def origin(target: str, generation: int) -> str:
    """Returns the origin of rows that a target's chain wrote; names of sources contain no `@`."""
    return f"{target}@{generation}"


def slots(
    joining: Joining, rows: int, seed: int, human: Sequence[Row], prompts: Sequence[Row]
) -> list[tuple[str, str]]:
    """Returns the (prompt id, origin) pairs of the `rows` rows S(t) of a generation.

    All generations use the prompts of R; each draws the origins of its rows separately. A human
    row is the human response to the slot's prompt or, if the sources have separate prompts, to
    another prompt of R; with `unseen`, it is a row that is new to the chain. Raises ValueError if
    there are too few human rows.
    """
    drawn = mixes.draw(prompts, rows, seed)
    origins = _shuffled_origins(joining, rows, seed)
    human_ids = set() if joining.unseen else {row["id"] for row in human}
    substitutes = _human_ids(joining, rows, origins.count(mixes.HUMAN), seed, human)
    return [
        (slot["id"] if name != mixes.HUMAN or slot["id"] in human_ids else next(substitutes), name)
        for slot, name in zip(drawn, origins, strict=True)
    ]


def training_set(
    regime: str, first: Sequence[Row], joined: Sequence[Sequence[Row]], rows: int, seed: int
) -> list[Row]:
    """Returns the training rows of a generation, in training order.

    `first` is R; `joined` are S(2) … S(t) in order (`replace` and `fresh` use only the last).
    `accumulate-subsample` draws up to `rows` rows of the pool without replacement.
    """
    generation = len(joined) + 1
    if regime in KEEPS_ALL:
        pool = [*first, *(row for of_generation in joined for row in of_generation)]
    else:
        pool = list(joined[-1])
    if regime == "accumulate-subsample" and len(pool) > rows:
        indices = generator(seed, "subsample", generation).sample(range(len(pool)), rows)
        pool = [pool[index] for index in indices]
    generator(seed, "training order", generation).shuffle(pool)
    return pool


def composition(
    rows: Sequence[Row], dropped: Mapping[str, int], cut: Mapping[str, int]
) -> dict[str, Any]:
    """Returns the counts of a training set, with the fields of `mixes.compose`.

    `dropped` and `cut` are the numbers of dropped and truncated rows by origin.
    """
    return {
        "rows": len(rows),
        "origins": dict(sorted(Counter(row["origin"] for row in rows).items())),
        "dropped": dict(sorted(dropped.items())),
        "cut": dict(sorted(cut.items())),
        "words": sum(count_words(row["response"]) for row in rows),
        "bytes": sum(len(row["response"].encode()) for row in rows),
    }


def training_seed(seed: int, target: str, generation: int) -> int:
    """Returns the training seed of a generation: `seed` itself for the first generation."""
    return seed if generation <= 1 else derived_seed(seed, "loop", target, generation)


def _shuffled_origins(joining: Joining, rows: int, seed: int) -> list[str]:
    """Returns the origin of each slot; the first writers get the remainder of equal shares."""
    humans = human_rows(joining.human, rows)
    share, remainder = divmod(rows - humans, len(joining.writers))
    origins = [mixes.HUMAN] * humans
    for index, writer in enumerate(joining.writers):
        origins += [writer] * (share + (index < remainder))
    generator(seed, "who writes", joining.generation).shuffle(origins)
    return origins


def _human_ids(
    joining: Joining, rows: int, count: int, seed: int, human: Sequence[Row]
) -> Iterator[str]:
    """Yields ids of human rows for slots whose prompt lacks a (new) human response."""
    if not joining.unseen:
        drawn = [row["id"] for row in mixes.draw(human, rows, seed)]
        yield from generator(seed, "human rows", joining.generation).sample(drawn, count)
        return
    used = {row["id"] for row in mixes.draw(human, min(rows, len(human)), seed)}
    new = [row["id"] for row in human if row["id"] not in used]
    if len(new) < joining.seen + count:
        raise ValueError(
            f"generation {joining.generation} needs {count} human rows that no generation was "
            f"trained on, and {max(0, len(new) - joining.seen)} are left. Raise dataset.train, or "
            "lower rows, loop.human or loop.generations."
        )
    generator(seed, "unseen rows").shuffle(new)
    yield from new[joining.seen : joining.seen + count]
