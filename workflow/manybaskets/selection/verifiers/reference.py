"""Agreement with the human response to the prompt."""

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.metrics.rouge import agreement
from manybaskets.selection.rows import Row
from manybaskets.selection.verifier import Score, Scorer, ScoringJob, Verifier


class Reference(Verifier):
    """F1 of ROUGE, or whether the final number is the same; `metric` as in `rouge.agreement`."""

    needs_human = True
    settings = ("metric",)

    def scorer(self, job: ScoringJob) -> Scorer:
        """Compares each response with the human one; None for a prompt without one."""
        references = {row["id"]: row["response"] for row in job.human}
        metric = job.settings["metric"]
        missing = "has no number" if metric == "answer" else "is empty"

        def score(row: Row) -> Score:
            if row["id"] not in references:
                return None, "the prompt has no human response"
            value = agreement(metric, references[row["id"]], row["response"])
            return value, "" if value is not None else f"the human response {missing}"

        return score

    def words(self, settings: Settings) -> str:
        """Names the metric."""
        exact = settings.metric == "answer"
        metric = "the final number" if exact else settings.metric.upper()
        return f"agreement with the human response ({metric})"

    def accepts_from(self, settings: Settings) -> float | None:
        """1 for equal final numbers; ROUGE only ranks."""
        return 1.0 if settings.metric == "answer" else None


VERIFIER = Reference()
