"""Selection: decides which synthetic responses pass a rule, and which of those to train on.

The input is verdicts: rows of origin, id (of the prompt), sample, state and score. A higher score
is better, and a row without a score never passes. Rows are selected
within each origin of a mix, so that it keeps its proportions. `verifier_quality` measures the
effect on right and wrong rows.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.seeds import generator
from manybaskets.selection.operators import operator
from manybaskets.selection.rows import USABLE, Row, groups, identity


@dataclass(frozen=True)
class Rule:
    """The name of a module of `operators/`, and the value that the study gives it."""

    name: str
    value: float

    @classmethod
    def of(cls, select: Mapping[str, Any]) -> "Rule":
        """Returns the rule of a `select` section."""
        for key in ("top", "best_of", "threshold"):
            if select[key] is not None:
                return cls(key.replace("_", "-"), select[key])
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
        """Returns the rule of a mix, or of the control of another mix.

        `like` describes that other mix, and `rows` are its scored rows; the control keeps the best
        share by random scores, as large as the share that passes there.
        """
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
    """Returns every response a mix may keep: `samples` to each prompt of each synthetic origin.

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
    """Returns the rows with `accepted`: whether the score reaches `accepts_from`, errors included.

    `noise` has the probabilities keep_right and keep_wrong of accepting what the verifier accepts
    and rejects; every row has a draw of its own. With noise the score becomes the decision, 1 or 0.
    """
    decided = []
    for row in rows:
        score = row["score"]
        accepted = score is not None and accepts_from is not None and score >= accepts_from
        if noise is not None and score is not None:
            draw = generator(seed, "noise", *identity(row)).random()
            accepted = draw < noise["keep_right" if accepted else "keep_wrong"]
            score = float(accepted)
        decided.append({**row, "score": score, "accepted": accepted})
    return decided


def passes(rule: Rule, rows: Sequence[Row], seed: int) -> list[bool]:
    """Returns whether each row passes; draws with the seed break the ties of a ranking."""
    return _by_origin(operator(rule.name).passes, rule.value, rows, seed)


def passes_held_out(rule: Rule, rows: Sequence[Row], seed: int) -> list[bool]:
    """Returns whether each row would pass with a cut-off that was set on other prompts' rows.

    The same as `passes` for a rule that sets nothing on the rows.
    """
    return _by_origin(operator(rule.name).passes_held_out, rule.value, rows, seed)


def _by_origin(
    decide_rows: Callable[[Sequence[Row], float, int], list[bool]],
    value: float,
    rows: Sequence[Row],
    seed: int,
) -> list[bool]:
    """Returns the decisions of a rule, which sees each origin's rows by themselves."""
    passed = [False] * len(rows)
    for positions in groups(rows, lambda row: row["origin"]):
        decisions = decide_rows([rows[position] for position in positions], value, seed)
        for position, decision in zip(positions, decisions, strict=True):
            passed[position] = decision and rows[position]["score"] is not None
    return passed


def take(
    rows: Sequence[Row], passed: Sequence[bool], on_shortfall: str, seed: int, name: str = "the mix"
) -> list[Row]:
    """Returns the rows to train on: for each origin, one per prompt with a usable response.

    Where more rows pass, that many are drawn with the seed. Where fewer pass, `on_shortfall`
    decides: error raises TooFewError, fewer keeps all that pass, repeat uses each row equally often
    (up to one). Raises TooFewError where no row passes, whatever `on_shortfall` is.
    """
    selected = []
    for positions in groups(rows, lambda row: row["origin"]):
        origin = rows[positions[0]]["origin"]
        needed = len(
            {rows[position]["id"] for position in positions if rows[position]["state"] in USABLE}
        )
        passing = [position for position in positions if passed[position]]
        if not passing or (len(passing) < needed and on_shortfall == "error"):
            raise TooFewError(
                _too_few(name, origin, [rows[position] for position in positions], passing, needed)
            )
        rng = generator(seed, "taken", origin)
        if len(passing) >= needed:
            chosen = sorted(rng.sample(passing, needed))
        elif on_shortfall == "fewer":
            chosen = passing
        else:
            times, rest = divmod(needed, len(passing))
            chosen = sorted(passing * times + rng.sample(passing, rest))
        selected += [rows[position] for position in chosen]
    return selected


def fill(
    assigned: Sequence[tuple[str, str]], taken: Sequence[Row], human: str, seed: int
) -> list[tuple[str, str, int]]:
    """(prompt id, origin, sample) for the slots of a mix, in training order.

    `taken` are the rows that `take` returned. A slot gets a response to its own prompt where there
    is one, so that mixes stay paired where possible; the other rows go to the open slots in a
    random order. Slots for which no row is left are left out.
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


def _too_few(
    name: str, origin: str, rows: Sequence[Row], passing: Sequence[int], needed: int
) -> str:
    unscored = [row for row in rows if row["score"] is None]
    why = Counter(row["reason"] or row["state"] for row in unscored).most_common(1)
    words = f"; {len(unscored)} have no score, most of them: {why[0][0].rstrip('.')}" if why else ""
    fix = (
        "Loosen the rule, check the verifier, or ask for more responses (select.samples)"
        if not passing
        else "Raise select.samples, loosen the rule, lower rows, or set "
        "select.on_shortfall to fewer or repeat"
    )
    return (
        f"{name}: {len(passing)} of {len(rows)} responses of '{origin}' pass, and {needed} rows "
        f"are needed{words}. {fix}."
    )
