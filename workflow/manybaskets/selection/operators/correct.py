"""Keeps the responses that the verifier accepts."""

from collections.abc import Sequence

from manybaskets.selection.rows import Row
from manybaskets.selection.selection_rule import SelectionRule


class Correct(SelectionRule):
    """The verifier's decision, with its noise; `value` is the score from which it accepts."""

    needs_accept = True

    def passes(self, rows: Sequence[Row], value: float, seed: int) -> list[bool]:
        """Returns the decision about each row."""
        return [row["accepted"] for row in rows]

    def words(self, value: float, by: str) -> str:
        """Names the score from which the verifier accepts."""
        return f"those were kept that {by} accepts from {value:g}"


RULE = Correct()
