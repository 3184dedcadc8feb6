"""The rule that keeps the best share."""

import pytest

from manybaskets.selection import rules
from manybaskets.selection.operators.top import RULE
from manybaskets.selection.rules import Rule
from tests.support.pool_rows import scored_pool as pool
from tests.support.pool_rows import scored_row as row


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_top_keeps_the_best_share(share: float) -> None:
    rows = pool(40, 2)
    passed = rules.passes(Rule("top", share), rows, 1)
    kept = [r["score"] for r, ok in zip(rows, passed, strict=True) if ok]
    assert (
        sorted(kept, reverse=True)
        == sorted((r["score"] for r in rows), reverse=True)[: round(80 * share)]
    )


def test_ties_are_broken_by_draws_and_not_by_order() -> None:
    rows = [row(p, 0, 0.0) for p in range(200)]
    first, again, other = (rules.passes(Rule("top", 0.25), rows, seed) for seed in (1, 1, 2))
    assert sum(first) == sum(other) == 50
    assert first == again != other
    assert 10 < sum(first[:100]) < 40


def test_held_out_decisions_use_a_cut_off_of_the_other_prompts() -> None:
    rows = pool(400, 2)
    held_out = rules.passes_held_out(Rule("top", 0.3), rows, 1)
    own = rules.passes(Rule("top", 0.3), rows, 1)
    assert held_out != own
    assert sum(held_out) == pytest.approx(sum(own), rel=0.1)
    same = rules.passes_held_out(Rule("threshold", 0.3), rows, 1)
    assert same == rules.passes(Rule("threshold", 0.3), rows, 1)


def test_the_share_does_not_depend_on_the_scores() -> None:
    assert RULE.share(0.3) == 0.3
    assert RULE.words(0.3, "length") == "the best 30 % were kept, by length"
