"""Rows and settings of the smallest LoRA training."""

from typing import Any

from manybaskets.training import trainer as trainers

ROWS = [
    {"prompt": f"sort the {word}", "response": f"return a copy of the {word}"}
    for word in ("list", "rows", "table", "value")
] * 8


def recipe(**changes: Any) -> trainers.TrainingConfig:
    """The config of a training of 8 steps on ROWS, with some settings changed."""
    settings: dict[str, Any] = {
        "rank": 4, "alpha": 8, "dropout": 0.0, "modules": "all-linear", "learning_rate": 1e-2,
        "epochs": 2, "batch_size": 8, "gradient_accumulation": 1,
        "max_length": 128, "threads": 1, "seed": 1,
    }  # fmt: skip
    return trainers.TrainingConfig(**{**settings, **changes})
