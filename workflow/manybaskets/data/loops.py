"""Self-consuming loops: who writes the rows of a generation, and what it is trained on.

Generation 1 is trained on the mix as it stands, R. For every later generation t there is S(t), the
rows that joined for it: what the models of generation t - 1 wrote, and human rows where the loop
wants some. The regimes say what becomes of them (`replace`, `accumulate` and `fresh` after
Gerstgrasser et al., arXiv:2404.01413, and Alemohammad et al., arXiv:2307.01850;
`accumulate-subsample` after Kazdan et al., arXiv:2410.16713). Pure functions of the recipe, the
seed and the prompts; knows nothing about models.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.config.mixes import human_rows
from manybaskets.data import mixes
from manybaskets.data.splits import Row
from manybaskets.seeds import derived_seed, generator

KEEPS_ALL = ("accumulate", "accumulate-subsample")  # regimes that train on earlier rows, too


@dataclass(frozen=True)
class Joining:
    """What joins for one generation: the share of human rows, and who writes the others.

    `writers` are the origins of the written rows, in equal shares. With `unseen`, human rows are
    ones that no generation was trained on before: the first `seen` of those that R leaves over
    have been used by earlier generations.
    """

    generation: int
    human: float
    writers: tuple[str, ...]
    unseen: bool = False
    seen: int = 0


def joining(described: Mapping[str, Any]) -> Joining:
    """A joining from its description in a job."""
    return Joining(**{**described, "writers": tuple(described["writers"])})


def origin(target: str, generation: int) -> str:
    """What rows are called that the chain of a target wrote; no source can have such a name."""
    return f"{target}@{generation}"


def slots(
    joining: Joining, rows: int, seed: int, human: Sequence[Row], prompts: Sequence[Row]
) -> list[tuple[str, str]]:
    """(prompt id, origin) of the `rows` rows that join for a generation, S(t).

    The prompts are those of R, in every generation the same; which of them are answered by whom is
    drawn anew. A human row is the human response to the slot's own prompt or, where sources answer
    prompts of their own, to another of R; with `unseen` it is a row that is new to the chain.
    Raises ValueError where there are too few of these.
    """
    chosen = mixes.draw(prompts, rows, seed)
    origins = _dealt(joining, rows, seed)
    known = set() if joining.unseen else {row["id"] for row in human}
    others = _human_ids(joining, rows, origins.count(mixes.HUMAN), seed, human)
    return [
        (slot["id"] if name != mixes.HUMAN or slot["id"] in known else next(others), name)
        for slot, name in zip(chosen, origins, strict=True)
    ]


def training_set(
    regime: str, first: Sequence[Row], joined: Sequence[Sequence[Row]], rows: int, seed: int
) -> list[Row]:
    """What a generation is trained on, in training order.

    `first` is R, `joined` are S(2) … S(t) in order, of which `replace` and `fresh` look at the
    last only. `accumulate-subsample` draws `rows` of the pool without replacement, or takes all
    where there are no more.
    """
    generation = len(joined) + 1
    if regime in KEEPS_ALL:
        found = [*first, *(row for of_generation in joined for row in of_generation)]
    else:
        found = list(joined[-1])
    if regime == "accumulate-subsample" and len(found) > rows:
        kept = generator(seed, "subsample", generation).sample(range(len(found)), rows)
        found = [found[place] for place in kept]
    generator(seed, "training order", generation).shuffle(found)
    return found


def composition(
    rows: Sequence[Row], dropped: Mapping[str, int], cut: Mapping[str, int]
) -> dict[str, Any]:
    """Counts of a training set, as `mixes.compose` has them; `dropped` and `cut` as found by it."""
    return {
        "rows": len(rows),
        "origins": dict(sorted(Counter(row["origin"] for row in rows).items())),
        "dropped": dict(sorted(dropped.items())),
        "cut": dict(sorted(cut.items())),
        "words": sum(len(row["response"].split()) for row in rows),
        "bytes": sum(len(row["response"].encode()) for row in rows),
    }


def training_seed(seed: int, target: str, generation: int) -> int:
    """The seed of a generation's training: the study's for the first, then each its own."""
    return seed if generation <= 1 else derived_seed(seed, "loop", target, generation)


def _dealt(joining: Joining, rows: int, seed: int) -> list[str]:
    """An origin for every slot: exact numbers, the rest of a division to the first writers."""
    humans = human_rows(joining.human, rows)
    whole, rest = divmod(rows - humans, len(joining.writers))
    dealt = [mixes.HUMAN] * humans
    for place, writer in enumerate(joining.writers):
        dealt += [writer] * (whole + (place < rest))
    generator(seed, "who writes", joining.generation).shuffle(dealt)
    return dealt


def _human_ids(
    joining: Joining, rows: int, count: int, seed: int, human: Sequence[Row]
) -> Iterator[str]:
    """Human rows for slots whose own prompt has no human response, or must have a new one."""
    if not joining.unseen:
        drawn = [row["id"] for row in mixes.draw(human, rows, seed)]
        yield from generator(seed, "human rows", joining.generation).sample(drawn, count)
        return
    used = {row["id"] for row in mixes.draw(human, min(rows, len(human)), seed)}
    new = [row["id"] for row in human if row["id"] not in used]
    if len(new) < joining.seen + count:
        raise ValueError(
            f"generation {joining.generation} needs {count} human rows that no generation has "
            f"seen, and {max(0, len(new) - joining.seen)} are left. Raise dataset.train, or lower "
            "rows, loop.human or loop.generations."
        )
    generator(seed, "unseen rows").shuffle(new)
    yield from new[joining.seen : joining.seen + count]
