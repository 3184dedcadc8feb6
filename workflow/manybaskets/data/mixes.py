"""Mixes: which origin answers which prompt, and the training set that comes of it.

An assignment is a pure function of the recipe, the seed and the prompts, so that a source knows
which prompts to answer before any mix is made. Knows nothing about models.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.data.splits import QUARTERS, Row
from manybaskets.seeds import generator

HUMAN = "human"


@dataclass(frozen=True)
class MixRecipe:
    """Origins with shares that sum to 1, and how prompts are given to them."""

    origins: dict[str, float]
    assign: str


def assignment(
    recipe: MixRecipe, rows: int, seed: int, human: Sequence[Row], prompts: Sequence[Row]
) -> list[tuple[str, str]]:
    """(prompt id, origin) for each of `rows` training rows, in training order.

    The prompts drawn depend on the seed alone, equally many from every quarter, so that all mixes
    of a seed hold the same prompts. `human` are the rows with human responses, `prompts` what
    sources answer; they have the same ids unless the study brings prompts of its own.
    Raises ValueError where there are fewer prompts than rows.
    """
    same = human is prompts or [r["id"] for r in human] == [r["id"] for r in prompts]
    drawn_prompts = draw(prompts, rows, seed) if set(recipe.origins) != {HUMAN} else []
    drawn_human = drawn_prompts if same and drawn_prompts else []
    if HUMAN in recipe.origins and not drawn_human:
        drawn_human = draw(human, rows, seed)
    slots = drawn_prompts or drawn_human
    if recipe.assign == "quarters":
        origins = _by_quarter(recipe, slots)
    else:
        origins = _at_random(recipe, len(slots), seed)
    if not same and drawn_prompts:  # human slots take human rows of the same quarter
        slots = [
            drawn_human[i] if origin == HUMAN else slot
            for i, (slot, origin) in enumerate(zip(slots, origins, strict=True))
        ]
    assigned = [(slot["id"], origin) for slot, origin in zip(slots, origins, strict=True)]
    generator(seed, "training order").shuffle(assigned)
    return assigned


def draw(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """`count` rows for a seed, equally many from each quarter (up to one), by quarter.

    Where the number is not a multiple of four, the larger quarters give one more, or the first.
    """
    if count > len(rows):
        raise ValueError(f"a mix needs {count} rows, but there are only {len(rows)}")
    quarters: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        quarters[row["quarter"]].append(row)
    drawn: list[Row] = []
    by_size = sorted(range(1, QUARTERS + 1), key=lambda quarter: -len(quarters[quarter]))
    for quarter in range(1, QUARTERS + 1):
        share = count // QUARTERS + (quarter in by_size[: count % QUARTERS])
        chosen = generator(seed, "draw", quarter).sample(range(len(quarters[quarter])), share)
        drawn += [quarters[quarter][i] for i in sorted(chosen)]
    return drawn


def compose(
    assigned: Sequence[tuple[str, str, int]],
    responses: dict[tuple[str, str, int], Row],
    token_count: Callable[[str], int] | None = None,
    tokens: int | None = None,
) -> tuple[list[Row], dict[str, Any]]:
    """The training rows in order, and the composition of the set.

    `assigned` are (prompt id, origin, sample); `responses` maps (origin, prompt id, sample) to a
    row of prompt, response and state. Rows without a usable response are left out and counted.
    With `tokens`, rows are taken until that many response tokens are reached (the last row may go
    over); too few is a ValueError.
    """
    kept: list[Row] = []
    dropped: Counter[str] = Counter()
    cut: Counter[str] = Counter()
    total = 0
    for prompt_id, origin, sample in assigned:
        row = responses[(origin, prompt_id, sample)]
        if row["state"] not in ("ok", "length"):
            dropped[origin] += 1
            continue
        if tokens is not None and total >= tokens:
            break
        if token_count is not None:
            total += token_count(row["response"])
        cut[origin] += row["state"] == "length"
        kept.append(
            {
                "id": prompt_id,
                "origin": origin,
                "prompt": row["prompt"],
                "response": row["response"],
            }
            | ({"sample": sample} if sample else {})
        )
    if tokens is not None and total < tokens:
        raise ValueError(
            f"the mix has {total} response tokens and needs {tokens}. Lower tokens or raise rows."
        )
    origins = Counter(row["origin"] for row in kept)
    composition = {
        "rows": len(kept),
        "origins": dict(sorted(origins.items())),
        "dropped": dict(sorted(dropped.items())),
        "cut": {origin: n for origin, n in sorted(cut.items()) if n},
        "words": sum(len(row["response"].split()) for row in kept),
        "bytes": sum(len(row["response"].encode()) for row in kept),
    }
    if token_count is not None:
        composition["response_tokens"] = total
    return kept, composition


def _by_quarter(recipe: MixRecipe, slots: Sequence[Row]) -> list[str]:
    of_quarter = [
        origin for origin, share in recipe.origins.items() for _ in range(round(share * QUARTERS))
    ]
    return [of_quarter[slot["quarter"] - 1] for slot in slots]


def _at_random(recipe: MixRecipe, count: int, seed: int) -> list[str]:
    """Exact proportions (largest remainder), order drawn with the seed."""
    exact = {origin: share * count for origin, share in sorted(recipe.origins.items())}
    counts = {origin: int(value) for origin, value in exact.items()}
    by_remainder = sorted(exact, key=lambda origin: (counts[origin] - exact[origin], origin))
    for origin in by_remainder[: count - sum(counts.values())]:
        counts[origin] += 1
    origins = [origin for origin, n in counts.items() for _ in range(n)]
    generator(seed, "assign").shuffle(origins)
    return origins


def still_drawn(
    rows: Iterable[Mapping[str, Any]], source: str, answers: Iterable[Mapping[str, Any]]
) -> bool:
    """Whether all rows of a mix, or of the pool that it keeps rows of, that are a source's are
    among the source's answers as they are."""
    said = {(row["id"], row["sample"]): row["response"] for row in answers}
    return all(
        said.get((row["id"], row.get("sample", 0))) == row["response"]
        for row in rows
        if row["origin"] == source
    )
