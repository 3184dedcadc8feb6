"""Rows of a pool, as verifiers and selection rules read them."""

from collections.abc import Sequence
from typing import Any

from manybaskets.selection.verifier import ScoringJob


def row(number: int, response: str = "some words", state: str = "ok") -> dict[str, Any]:
    """A response of the origin `a` to the prompt of a number."""
    return {
        **{"origin": "a", "id": str(number), "sample": 0, "prompt": "Ask {me}?"},
        **{"response": response, "state": state, "reason": "" if state == "ok" else "why not"},
    }


def job(
    pool: Sequence[dict[str, Any]], human: Sequence[dict[str, Any]] = (), **settings: Any
) -> ScoringJob:
    """A job with seed 1 and these settings of its verifier."""
    return ScoringJob(pool, human, {"seed": 1, "verifier": settings})
