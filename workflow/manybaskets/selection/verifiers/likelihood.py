"""Mean log-probability per token of a response under a model, in nats."""

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.devices import lease
from manybaskets.models import scoring
from manybaskets.models.loading import load_scorer, load_tokenizer
from manybaskets.selection.rows import key
from manybaskets.selection.verifier import Scorer, ScoringJob, Verifier


class Likelihood(Verifier):
    """The likelihood of a response, given its prompt, under a model of the study."""

    needs = "model"

    def scorer(self, job: ScoringJob) -> Scorer:
        """Scores all usable responses in batches; those that do not fit the context have None."""
        scores = log_probs(job)
        reason = "longer than the model's context"
        return lambda row: (scores.get(key(row)), "" if key(row) in scores else reason)

    def words(self, settings: Settings) -> str:
        """Names the model."""
        return f"likelihood under {settings.model}"


def log_probs(job: ScoringJob) -> dict[str, float]:
    """Returns the mean log-probability per token in nats of usable responses, by row key.

    Responses that do not fit the model's context are left out.
    """
    fields = ("prompt", "response")
    rows = [{"id": key(row), **{field: row[field] for field in fields}} for row in job.usable]
    if not rows:
        return {}
    assert job.model is not None
    trusted = job.spec["base"]["trust_remote_code"]
    with lease():
        model, _ = load_scorer(job.model, None, job.spec["threads"], trusted)
        tokenizer = load_tokenizer(job.model, trusted)
        likelihood = scoring.score(model, tokenizer, rows, job.spec["context"])
    return {
        name: -nats / tokens
        for name, nats, tokens in zip(
            likelihood.ids, likelihood.nats, likelihood.tokens, strict=True
        )
    }


VERIFIER = Likelihood()
