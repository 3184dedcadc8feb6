"""Keeps the best share of the responses."""

import itertools
from collections.abc import Sequence

from manybaskets.seeds import derived_seed
from manybaskets.selection.rows import Row, rank
from manybaskets.selection.selection_rule import SelectionRule


class Top(SelectionRule):
    """The best `value` of all rows of an origin, as a share from 0 to 1."""

    def passes(self, rows: Sequence[Row], value: float, seed: int) -> list[bool]:
        """Draws with the seed break ties."""
        return _reach(rows, _cut_off(value, rows, seed), seed)

    def passes_held_out(self, rows: Sequence[Row], value: float, seed: int) -> list[bool]:
        """Draws put the prompts into two halves; the cut-off of each is applied to the other."""
        halves: list[list[int]] = [[], []]
        for position, row in enumerate(rows):
            halves[derived_seed(seed, "half", row["id"]) & 1].append(position)
        passed = [False] * len(rows)
        for half, other_half in itertools.permutations(halves):
            cut_off = _cut_off(value, [rows[position] for position in half], seed)
            reached = _reach([rows[position] for position in other_half], cut_off, seed)
            for position, passes in zip(other_half, reached, strict=True):
                passed[position] = passes
        return passed

    def words(self, value: float, by: str) -> str:
        """Names the share."""
        return f"the best {100 * value:.3g} % were kept, by {by}"

    def share(self, value: float) -> float:
        """Returns the share itself."""
        return value


def _cut_off(share: float, rows: Sequence[Row], seed: int) -> tuple[float, int] | None:
    """Returns the rank of the last row in the best `share` of rows; None without scores."""
    ranks = sorted((rank(row, seed) for row in rows if row["score"] is not None), reverse=True)
    count = min(round(share * len(rows)), len(ranks))
    return ranks[count - 1] if count else None


def _reach(rows: Sequence[Row], cut_off: tuple[float, int] | None, seed: int) -> list[bool]:
    """Returns whether each row ranks at least as high as the cut-off."""
    return [
        cut_off is not None and row["score"] is not None and rank(row, seed) >= cut_off
        for row in rows
    ]


RULE = Top()
