"""Keeps the best of several responses to each prompt."""

from collections.abc import Sequence

from manybaskets.selection.rows import Row, groups, rank
from manybaskets.selection.selection_rule import SelectionRule


class BestOf(SelectionRule):
    """The best of `value` responses to a prompt."""

    one_a_prompt = True

    def passes(self, rows: Sequence[Row], value: float, seed: int) -> list[bool]:
        """Draws with the seed break ties; a prompt without a scored response keeps none."""
        passed = [False] * len(rows)
        for positions in groups(rows, lambda row: row["id"]):
            scored = [position for position in positions if rows[position]["score"] is not None]
            if scored:
                passed[max(scored, key=lambda position: rank(rows[position], seed))] = True
        return passed

    def words(self, value: float, by: str) -> str:
        """Names the number of responses."""
        return f"the best of {value:g} responses to each prompt was kept, by {by}"

    def share(self, value: float) -> float:
        """Returns one of `value` responses."""
        return 1 / value


RULE = BestOf()
