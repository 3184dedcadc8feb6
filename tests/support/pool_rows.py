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


def scored_row(
    prompt: int, sample: int, score: float | None, origin: str = "a", **more: Any
) -> dict[str, Any]:
    """A response with a score, accepted from 0.5."""
    return {
        **{"origin": origin, "id": f"{prompt:03d}", "sample": sample, "score": score},
        **{"prompt": "p", "response": f"{origin} {prompt} {sample}", "state": "ok", "reason": ""},
        **{"accepted": score is not None and score >= 0.5},
        **more,
    }


def scored_pool(prompts: int, samples: int = 1, origin: str = "a") -> list[dict[str, Any]]:
    """Rows whose scores are all different and spread over [0, 1)."""
    count = prompts * samples
    return [
        scored_row(p, s, ((p * samples + s) * 7919 % count) / count, origin)
        for p in range(prompts)
        for s in range(samples)
    ]
