"""Mixes: the assignment of prompts to origins, and the composition of a training set.

An assignment is a pure function of the recipe, the seed and the prompts. The prompts that each
source must answer are therefore known before any mix is built.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.data.conversations import context_of
from manybaskets.data.splits import QUARTERS, Row
from manybaskets.metrics.tokenization import count_words
from manybaskets.seeds import generator

HUMAN = "human"


@dataclass(frozen=True)
class MixRecipe:
    """Origins with shares that sum to 1, and the rule that assigns prompts to them."""

    origins: dict[str, float]
    assign: str


def assignment(
    recipe: MixRecipe, rows: int, seed: int, human: Sequence[Row], prompts: Sequence[Row]
) -> list[tuple[str, str]]:
    """Returns the (prompt id, origin) pairs of `rows` training rows, in training order.

    The prompts depend on the seed only, with an equal number from each quarter, so that all mixes
    of a seed have the same prompts. `human` are the rows with human responses, `prompts` the rows
    that sources answer; their ids are equal unless the study has separate prompts for sources.
    Raises ValueError if there are fewer prompts than rows.
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
    if not same and drawn_prompts:  # use a human row of the same quarter in each human slot
        slots = [
            drawn_human[i] if origin == HUMAN else slot
            for i, (slot, origin) in enumerate(zip(slots, origins, strict=True))
        ]
    assigned = [(slot["id"], origin) for slot, origin in zip(slots, origins, strict=True)]
    generator(seed, "training order").shuffle(assigned)
    return assigned


def draw(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Draws `count` rows without replacement, an equal number from each quarter.

    Returns them sorted by quarter. If `count` is not a multiple of four, the largest quarters (the
    first ones among equals) contribute one row more. Raises ValueError if there are too few rows.
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
        indices = generator(seed, "draw", quarter).sample(range(len(quarters[quarter])), share)
        drawn += [quarters[quarter][i] for i in sorted(indices)]
    return drawn


def compose(
    assigned: Sequence[tuple[str, str, int]],
    responses: dict[tuple[str, str, int], Row],
    token_count: Callable[[str], int] | None = None,
    tokens: int | None = None,
) -> tuple[list[Row], dict[str, Any]]:
    """Returns the training rows in order, and their counts (the composition of the mix).

    `assigned` are (prompt id, origin, sample) triples; `responses` maps (origin, prompt id,
    sample) to a row with prompt, response and state. Rows without a usable response are dropped
    and counted. With `tokens`, rows are added until they have that many response tokens in total
    (the last row may exceed it). Raises ValueError if they have fewer.
    """
    training_rows: list[Row] = []
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
        training_rows.append(
            {
                "id": prompt_id,
                "origin": origin,
                "prompt": row["prompt"],
                "response": row["response"],
            }
            | context_of(row)
            | ({"sample": sample} if sample else {})
        )
    if tokens is not None and total < tokens:
        raise ValueError(
            f"the mix has {total} response tokens and needs {tokens}. Lower tokens or raise rows."
        )
    composition = _composition(training_rows, dropped, cut)
    if token_count is not None:
        composition["response_tokens"] = total
    return training_rows, composition


def _composition(
    rows: Sequence[Row], dropped: Mapping[str, int], cut: Mapping[str, int]
) -> dict[str, Any]:
    origins = Counter(row["origin"] for row in rows)
    return {
        "rows": len(rows),
        "origins": dict(sorted(origins.items())),
        "dropped": dict(sorted(dropped.items())),
        "cut": {origin: n for origin, n in sorted(cut.items()) if n},
        "words": sum(count_words(row["response"]) for row in rows),
        "bytes": sum(len(row["response"].encode()) for row in rows),
    }


def _by_quarter(recipe: MixRecipe, slots: Sequence[Row]) -> list[str]:
    origin_of_quarter = [
        origin for origin, share in recipe.origins.items() for _ in range(round(share * QUARTERS))
    ]
    return [origin_of_quarter[slot["quarter"] - 1] for slot in slots]


def _at_random(recipe: MixRecipe, count: int, seed: int) -> list[str]:
    """Returns origins in exact proportions (largest remainder method), in a random order."""
    exact = {origin: share * count for origin, share in sorted(recipe.origins.items())}
    counts = {origin: int(value) for origin, value in exact.items()}
    by_remainder = sorted(exact, key=lambda origin: (counts[origin] - exact[origin], origin))
    for origin in by_remainder[: count - sum(counts.values())]:
        counts[origin] += 1
    origins = [origin for origin, n in counts.items() for _ in range(n)]
    generator(seed, "assign").shuffle(origins)
    return origins


def uses_same_responses(
    rows: Iterable[Mapping[str, Any]], source: str, responses: Iterable[Mapping[str, Any]]
) -> bool:
    """Returns whether the responses of `source` in `rows` are unchanged in `responses`.

    `rows` are the rows of a mix, or of the pool from which the mix selects rows.
    """
    current = {(row["id"], row["sample"]): row["response"] for row in responses}
    return all(
        current.get((row["id"], row.get("sample", 0))) == row["response"]
        for row in rows
        if row["origin"] == source
    )
