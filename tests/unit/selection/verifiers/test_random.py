"""Random scores."""

import pytest

from manybaskets.selection.verifier import ScoringJob
from manybaskets.selection.verifiers.random import VERIFIER
from tests.support.pool_rows import row


def scores(seed: int, n: int) -> list[float]:
    score = VERIFIER.scorer(ScoringJob([], [], {"seed": seed, "verifier": {"by": "random"}}))
    return [score(row(number))[0] or 0.0 for number in range(n)]


def test_scores_are_uniform_and_belong_to_the_row_and_seed() -> None:
    values = scores(1, 2000)
    assert values[:5] == scores(1, 5)
    assert values[:5] != scores(2, 5)
    assert sum(values) / 2000 == pytest.approx(0.5, abs=0.03)
    assert sum(value < 0.25 for value in values) / 2000 == pytest.approx(0.25, abs=0.03)
