"""The interface of a selection rule: an object that decides which scored responses pass.

Each module of `operators/` contains one, under the name RULE. A study refers to it by the name of
the file, as `select: {operator: name, value: …}`; four have a key of their own (`top`, `best-of`,
`threshold`, `correct`).
"""

from collections.abc import Sequence
from typing import ClassVar

from manybaskets.selection.rows import Row


class SelectionRule:
    """Base class of selection rules. Only `passes` and `words` must be defined."""

    one_a_prompt: ClassVar[bool] = False
    """Whether one response to each prompt passes, whatever the scores."""
    needs_accept: ClassVar[bool] = False
    """Whether it reads `accepted`, so that the verifier needs a score from which it accepts."""

    def passes(self, rows: Sequence[Row], value: float, seed: int) -> list[bool]:
        """Returns whether each row passes.

        `rows` are all responses of one origin, with the keys origin, id (of the prompt), sample,
        prompt, response, state, score and accepted. A row whose score is None never passes,
        whatever this returns for it.
        """
        raise NotImplementedError

    def passes_held_out(self, rows: Sequence[Row], value: float, seed: int) -> list[bool]:
        """Returns whether each row would pass with cut-offs set on other prompts' rows."""
        return self.passes(rows, value, seed)

    def words(self, value: float, by: str) -> str:
        """Returns a clause for the methods text; `by` names the verifier."""
        raise NotImplementedError

    def share(self, value: float) -> float | None:
        """Returns the share of the rows that pass, where it does not depend on the scores."""
        return None
