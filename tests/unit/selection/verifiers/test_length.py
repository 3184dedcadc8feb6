"""The length of a response."""

from manybaskets.selection.verifiers.length import VERIFIER
from tests.support.pool_rows import job, row


def test_length_counts_words() -> None:
    assert VERIFIER.scorer(job([]))(row(1, "three short words")) == (3.0, "")


def test_length_counts_characters_of_scripts_without_spaces() -> None:
    assert VERIFIER.scorer(job([]))(row(1, "写三个字。")) == (4.0, "")
