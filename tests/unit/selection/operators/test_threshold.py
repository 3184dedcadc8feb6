"""The rule that keeps responses of at least a score."""

from manybaskets.selection import rules
from manybaskets.selection.operators.threshold import RULE
from manybaskets.selection.rules import Rule
from tests.support.pool_rows import scored_pool as pool


def test_responses_that_reach_the_score_pass() -> None:
    rows = pool(20)
    passed = rules.passes(Rule("threshold", 0.8), rows, 1)
    assert passed == [r["score"] >= 0.8 for r in rows]
    assert sum(passed) == 4


def test_the_keep_rate_depends_on_the_scores() -> None:
    assert RULE.share(0.5) is None
    assert RULE.words(0.5, "length") == "those of at least 0.5 were kept, by length"
