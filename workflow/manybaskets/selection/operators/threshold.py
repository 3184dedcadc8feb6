"""Keeps the responses of at least a score."""

from collections.abc import Sequence

from manybaskets.selection.rows import Row
from manybaskets.selection.selection_rule import SelectionRule


class Threshold(SelectionRule):
    """Every row that scores `value` or more."""

    def passes(self, rows: Sequence[Row], value: float, seed: int) -> list[bool]:
        """Compares each score with the threshold."""
        return [row["score"] is not None and row["score"] >= value for row in rows]

    def words(self, value: float, by: str) -> str:
        """Names the threshold."""
        return f"those of at least {value:g} were kept, by {by}"


RULE = Threshold()
