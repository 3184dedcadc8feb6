"""Rows whose likelihood tests compute, and a model that returns NaN for some of them."""

import functools
from typing import Any

import pytest

ROWS = [
    {"id": "a", "prompt": "sort the list", "response": "return a copy of the list"},
    {"id": "b", "prompt": "rows", "response": "the table"},
    {"id": "c", "prompt": "raise of each value in the table", "response": "or raise or return"},
]


def spoil(monkeypatch: pytest.MonkeyPatch, model: Any, length: int) -> None:
    """Has the model give NaN for rows of so many tokens."""
    forward = model.forward

    @functools.wraps(forward)
    def spoiled(**named: Any) -> Any:
        found = forward(**named)
        if named["input_ids"].shape[1] == length:
            found.logits = found.logits * float("nan")
        return found

    monkeypatch.setattr(model, "forward", spoiled)


def texts(row: dict[str, str]) -> dict[str, str]:
    """A row without its id."""
    return {"prompt": row["prompt"], "response": row["response"]}
