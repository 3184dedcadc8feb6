"""Selection: which synthetic responses pass a rule, and which of those are trained on.

Works on verdicts, rows of origin, id (of the prompt), sample, state, score and accepted, that a
verifier has scored; a higher score is better, and a row without one never passes. Every origin of a
mix is selected from by itself, so that the mix keeps its proportions. What the verifier did to
right and wrong rows is `verification`'s.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets import plugins
from manybaskets.seeds import derived_seed, generator

LOADS = ("selection.operators",)
Row = dict[str, Any]
USABLE = ("ok", "length")


@dataclass(frozen=True)
class Rule:
    """`correct`, `top` (share), `best-of` (number) or `threshold` (score), and its value.

    Any other name is that of an operator under `operators/`.
    """

    name: str
    value: float

    @classmethod
    def of(cls, select: Mapping[str, Any]) -> "Rule":
        """The rule of a `select` section."""
        for key, name in (("top", "top"), ("best_of", "best-of"), ("threshold", "threshold")):
            if select[key] is not None:
                return cls(name, select[key])
        if select.get("operator"):
            return cls(select["operator"], select["value"] or 0.0)
        return cls("correct", 1.0)

    @classmethod
    def of_verdicts(
        cls,
        select: Mapping[str, Any],
        like: Mapping[str, Any] | None,
        rows: Sequence[Row],
        seed: int,
    ) -> "Rule":
        """The same; of a control (`like` describes the mix that it follows, `rows` are what that
        mix's verifier scored), the best share by random scores, as large as what passes there."""
        if like is None:
            return cls.of(select)
        noise = like["select"]["verifier"]["noise"]
        decided = decide(rows, like["accepts_from"], noise, seed)
        passed = passes(cls.of(like["select"]), decided, seed)
        return cls("top", sum(passed) / len(passed))


class TooFewError(ValueError):
    """Fewer rows pass than the mix needs."""


def pool(
    assigned: Sequence[tuple[str, str]],
    responses: Mapping[tuple[str, str, int], Row],
    samples: int,
    human: str,
) -> list[Row]:
    """Every response that a mix may keep: `samples` to each prompt of each synthetic origin.

    `assigned` are (prompt id, origin); `responses` maps (origin, prompt id, sample) to rows.
    """
    return [
        {"origin": origin, **responses[origin, prompt, sample]}
        for prompt, origin in assigned
        if origin != human
        for sample in range(samples)
    ]


def decide(
    rows: Sequence[Row], accepts_from: float | None, noise: Mapping[str, float] | None, seed: int
) -> list[Row]:
    """The rows with `accepted`: whether the score reaches `accepts_from`, errors included.

    `noise` has the probabilities keep_right and keep_wrong of accepting what the verifier accepts
    and rejects; every row has a draw of its own. With noise the score becomes the decision, 1 or 0.
    """
    decided = []
    for row in rows:
        score = row["score"]
        accepted = score is not None and accepts_from is not None and score >= accepts_from
        if noise is not None and score is not None:
            draw = generator(seed, "noise", *_identity(row)).random()
            accepted = draw < noise["keep_right" if accepted else "keep_wrong"]
            score = float(accepted)
        decided.append({**row, "score": score, "accepted": accepted})
    return decided


def passes(rule: Rule, rows: Sequence[Row], seed: int) -> list[bool]:
    """Whether each row passes; ties of a ranking are broken by draws with the seed."""
    found = [False] * len(rows)
    for places in _by(rows, lambda row: row["origin"]):
        of_origin = [rows[place] for place in places]
        for place, passed in zip(places, _passes(rule, of_origin, seed), strict=True):
            found[place] = passed
    return found


def passes_held_out(rule: Rule, rows: Sequence[Row], seed: int) -> list[bool]:
    """Whether each row would pass with a cut-off that was set on other prompts' rows.

    The prompts are dealt into two halves; the cut-off of `top` on one is applied to the other.
    Other rules have nothing that is set on the rows.
    """
    if rule.name != "top":
        return passes(rule, rows, seed)
    found = [False] * len(rows)
    for places in _by(rows, lambda row: row["origin"]):
        halves: list[list[int]] = [[], []]
        for place in places:
            halves[derived_seed(seed, "half", rows[place]["id"]) & 1].append(place)
        for one, other in itertools.permutations(halves):
            cut_off = _cut_off(rule.value, [rows[place] for place in one], seed)
            for place in other:
                found[place] = cut_off is not None and _passes_cut(rows[place], cut_off, seed)
    return found


def take(
    rows: Sequence[Row], passed: Sequence[bool], short: str, seed: int, name: str = "the mix"
) -> list[Row]:
    """The rows to train on: as many of each origin as it has prompts with a usable response.

    Where more pass, they are drawn with the seed. Where fewer do, `short` says what happens: stop
    raises TooFewError, fewer takes what there is, repeat takes each row equally often (up to one).
    Raises TooFewError where nothing passes, whatever `short` says.
    """
    taken = []
    for places in _by(rows, lambda row: row["origin"]):
        origin = rows[places[0]]["origin"]
        needed = len({rows[place]["id"] for place in places if rows[place]["state"] in USABLE})
        good = [place for place in places if passed[place]]
        if not good or (len(good) < needed and short == "stop"):
            raise TooFewError(_too_few(name, origin, [rows[p] for p in places], good, needed))
        rng = generator(seed, "taken", origin)
        if len(good) >= needed:
            chosen = sorted(rng.sample(good, needed))
        elif short == "fewer":
            chosen = good
        else:
            times, rest = divmod(needed, len(good))
            chosen = sorted(good * times + rng.sample(good, rest))
        taken += [rows[place] for place in chosen]
    return taken


def fill(
    assigned: Sequence[tuple[str, str]], taken: Sequence[Row], human: str, seed: int
) -> list[tuple[str, str, int]]:
    """(prompt id, origin, sample) for the slots of a mix, in training order.

    A slot has a response to its own prompt where one was taken, so that mixes stay paired as far
    as that goes; the rest of what was taken goes to the open slots in a random order. Slots that
    nothing is left for are left out.
    """
    waiting: dict[tuple[str, str], list[int]] = {}
    for row in taken:
        waiting.setdefault((row["origin"], row["id"]), []).append(row["sample"])
    slots: list[tuple[str, str, int] | None] = []
    for prompt, origin in assigned:
        own = waiting.get((origin, prompt))
        if origin == human:
            slots.append((prompt, origin, 0))
        else:
            slots.append((prompt, origin, own.pop(0)) if own else None)
    left: dict[str, list[tuple[str, str, int]]] = {}
    for (origin, prompt), samples in sorted(waiting.items()):
        left.setdefault(origin, []).extend((prompt, origin, sample) for sample in samples)
    for origin, rows in left.items():
        generator(seed, "open slots", origin).shuffle(rows)
    filled = [
        slot or (left[origin].pop() if left.get(origin) else None)
        for slot, (_, origin) in zip(slots, assigned, strict=True)
    ]
    return [slot for slot in filled if slot is not None]


def _passes(rule: Rule, rows: Sequence[Row], seed: int) -> list[bool]:
    if rule.name == "correct":
        return [row["accepted"] for row in rows]
    if rule.name == "threshold":
        return [row["score"] is not None and row["score"] >= rule.value for row in rows]
    if rule.name == "top":
        cut_off = _cut_off(rule.value, rows, seed)
        return [cut_off is not None and _passes_cut(row, cut_off, seed) for row in rows]
    if rule.name != "best-of":
        operator = plugins.modules("selection.operators")[rule.name]
        passed = operator.passes([row["score"] for row in rows], rule.value)
        return [
            is_kept and row["score"] is not None for is_kept, row in zip(passed, rows, strict=True)
        ]
    found = [False] * len(rows)
    for places in _by(rows, lambda row: row["id"]):
        scored = [place for place in places if rows[place]["score"] is not None]
        if scored:
            found[max(scored, key=lambda place: _rank(rows[place], seed))] = True
    return found


def _cut_off(share: float, rows: Sequence[Row], seed: int) -> tuple[float, int] | None:
    """The rank of the last row among the best `share` of all rows; None where none is scored."""
    ranks = sorted((_rank(row, seed) for row in rows if row["score"] is not None), reverse=True)
    count = min(round(share * len(rows)), len(ranks))
    return ranks[count - 1] if count else None


def _passes_cut(row: Row, cut_off: tuple[float, int], seed: int) -> bool:
    return row["score"] is not None and _rank(row, seed) >= cut_off


def _rank(row: Row, seed: int) -> tuple[float, int]:
    return row["score"], derived_seed(seed, "tie", *_identity(row))


def _identity(row: Row) -> tuple[str, str, int]:
    return row["origin"], row["id"], row["sample"]


def _by(rows: Sequence[Row], key: Any) -> Iterator[list[int]]:
    """Places of the rows that share a key, in the order in which keys first occur."""
    groups: dict[Any, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(key(row), []).append(place)
    yield from groups.values()


def _too_few(name: str, origin: str, rows: Sequence[Row], good: Sequence[int], needed: int) -> str:
    unscored = [row for row in rows if row["score"] is None]
    why = Counter(row["reason"] or row["state"] for row in unscored).most_common(1)
    words = f"; {len(unscored)} have no score, most of them: {why[0][0].rstrip('.')}" if why else ""
    mend = (
        "Loosen the rule, check the verifier, or ask for more responses (select.samples)"
        if not good
        else "Raise select.samples, loosen the rule, lower rows, or set select.short to fewer or "
        "repeat"
    )
    return (
        f"{name}: {len(good)} of {len(rows)} responses of '{origin}' pass, and {needed} rows are "
        f"needed{words}. {mend}."
    )
