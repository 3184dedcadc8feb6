"""Likelihood under a model."""

import math
from pathlib import Path

from manybaskets.selection.verifier import ScoringJob
from manybaskets.selection.verifiers.likelihood import VERIFIER
from tests.support.pool_rows import row

SPEC = {
    **{"seed": 1, "verifier": {"by": "likelihood"}, "threads": 1, "context": 24},
    "base": {"name": "wren", "trust_remote_code": False},
}


def test_scores_are_mean_log_probabilities_and_long_rows_have_none(tiny_model: Path) -> None:
    rows = [row(1, "return a copy"), row(2, "return a copy " * 20), row(3, "", "empty")]
    score = VERIFIER.scorer(ScoringJob(rows, [], SPEC, tiny_model))
    value, reason = score(rows[0])
    assert value is not None and value < 0 and math.isfinite(value) and reason == ""
    assert score(rows[1]) == (None, "longer than the model's context")


def test_a_pool_without_usable_rows_loads_no_model() -> None:
    rows = [row(1, "", "empty")]
    VERIFIER.scorer(ScoringJob(rows, [], SPEC, Path("does/not/exist")))
