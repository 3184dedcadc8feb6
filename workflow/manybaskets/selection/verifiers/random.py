"""Random scores: the control that every other verifier is compared with."""

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.seeds import generator
from manybaskets.selection.rows import key
from manybaskets.selection.verifier import Scorer, ScoringJob, Verifier


class Random(Verifier):
    """A draw from [0, 1) for every row."""

    def scorer(self, job: ScoringJob) -> Scorer:
        """Draws each score from the seed of the mix and the identity of the row."""
        return lambda row: (generator(job.seed, "random verifier", key(row)).random(), "")

    def words(self, settings: Settings) -> str:
        """Returns the word of the methods text."""
        return "chance"


VERIFIER = Random()
