"""The probability of a label under a sequence classifier, or the output of a reward model."""

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.devices import lease
from manybaskets.files import InputError
from manybaskets.models import sequence_classifier
from manybaskets.models.loading import load_classifier, load_tokenizer
from manybaskets.selection.rows import key
from manybaskets.selection.verifier import Scorer, ScoringJob, Verifier


class Classifier(Verifier):
    """A transformers model of sequence classification that reads responses."""

    needs = "model"
    settings = ("label", "input")

    def scorer(self, job: ScoringJob) -> Scorer:
        """Scores all usable responses in batches."""
        scores = probabilities(job)
        return lambda row: (scores[key(row)], "")

    def words(self, settings: Settings) -> str:
        """Names the model and the label."""
        if settings.label is None:
            return f"the output of {settings.model}"
        return f"the probability of '{settings.label}' under {settings.model}"

    def accepts_from(self, settings: Settings) -> float | None:
        """0.5 for the probability of a label; a reward model only ranks."""
        return 0.5 if settings.label is not None else None


def probabilities(job: ScoringJob) -> dict[str, float]:
    """Returns the score of every usable response, by row key.

    Raises InputError for an unknown label.
    """
    import torch

    rows, spec = job.usable, job.spec
    fields = ("prompt", "response") if job.settings["input"] == "pair" else ("response",)
    texts = [tuple(row[field] for field in fields) for row in rows]
    trusted = spec["base"]["trust_remote_code"]
    assert job.model is not None
    try:
        with lease():
            torch.set_num_threads(spec["threads"])
            device = "cuda" if torch.cuda.is_available() else "cpu"
            model = load_classifier(job.model, torch.float32, trusted).to(device).eval()
            output = sequence_classifier.output_index(job.settings["label"], model.config.id2label)
            tokenizer = load_tokenizer(job.model, trusted)
            scores = sequence_classifier.scores(model, tokenizer, texts, output)
    except ValueError as error:
        raise InputError(f"the classifier '{spec['base']['name']}': {error}") from None
    return {key(row): score for row, score in zip(rows, scores, strict=True)}


VERIFIER = Classifier()
