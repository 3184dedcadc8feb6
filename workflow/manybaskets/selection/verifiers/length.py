"""The number of words of a response."""

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.metrics.tokenization import count_words
from manybaskets.selection.verifier import Scorer, ScoringJob, Verifier


class Length(Verifier):
    """Words of the response, separated by white space; characters of scripts without spaces."""

    def scorer(self, job: ScoringJob) -> Scorer:
        """Counts the words of each response."""
        return lambda row: (float(count_words(row["response"])), "")

    def words(self, settings: Settings) -> str:
        """Returns the word of the methods text."""
        return "length"


VERIFIER = Length()
