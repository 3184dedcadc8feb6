"""Judgements with chosen probabilities."""

import math
from typing import Any


def judgement(item: Any, first: str, second: str, p_first: float, **more: Any) -> dict[str, Any]:
    """A judgement that chooses the first with `p_first`; the two labels have the mass 0.8."""
    return {
        "item": item,
        "first": first,
        "second": second,
        "log_prob_first_label": math.log(0.8 * p_first) if p_first else -math.inf,
        "log_prob_second_label": math.log(0.8 * (1 - p_first)) if p_first < 1 else -math.inf,
        **more,
    }


def both_orders(item: Any, one: str, other: str, p_one: float, **more: Any) -> list[dict[str, Any]]:
    """A judge without position bias who chooses `one` with `p_one`."""
    return [
        judgement(item, one, other, p_one, **more),
        judgement(item, other, one, 1 - p_one, **more),
    ]
