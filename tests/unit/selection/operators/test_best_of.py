"""The rule that keeps the best response to each prompt."""

from manybaskets.selection import rules
from manybaskets.selection.operators.best_of import RULE
from manybaskets.selection.rules import Rule
from tests.support.pool_rows import scored_pool as pool


def test_best_of_n_keeps_the_best_response_to_every_prompt() -> None:
    rows = pool(30, 4)
    passed = rules.passes(Rule("best-of", 4), rows, 1)
    for p in range(30):
        of_prompt = rows[4 * p : 4 * p + 4]
        kept = [r for r, ok in zip(of_prompt, passed[4 * p : 4 * p + 4], strict=True) if ok]
        assert kept == [max(of_prompt, key=lambda r: r["score"])]


def test_one_of_n_responses_passes() -> None:
    assert RULE.share(4) == 0.25
    assert RULE.words(4, "length") == ("the best of 4 responses to each prompt was kept, by length")
