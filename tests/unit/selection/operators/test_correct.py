"""The rule that keeps accepted responses."""

from manybaskets.selection import rules
from manybaskets.selection.operators.correct import RULE
from manybaskets.selection.rules import Rule
from tests.support.pool_rows import scored_pool as pool


def test_accepted_responses_pass() -> None:
    rows = pool(20)
    assert rules.passes(Rule("correct", 1), rows, 1) == [r["accepted"] for r in rows]


def test_the_keep_rate_depends_on_the_scores() -> None:
    assert RULE.share(0.5) is None
    assert RULE.words(0.5, "chance") == "those were kept that chance accepts from 0.5"
