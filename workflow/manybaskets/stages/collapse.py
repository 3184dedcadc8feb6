"""Stages of the collapse probe: a cell's responses, likelihoods, embeddings, and measurements."""

from manybaskets.config.probes import Collapse as Settings
from manybaskets.config.serving import Generation
from manybaskets.stages.base import Cost, Device, File, Inputs, Spec, Stage, TargetStage
from manybaskets.stages.cost_model import CostModel
from manybaskets.stages.specs import Base, EngineSpec, base, engine, model_folder
from manybaskets.study import keys
from manybaskets.study.layout import Study

CELL = f"cells/{keys.PATTERNS[keys.Cell]}"
# Settings that only the stages before `collapse` depend on.
OF_STAGES_BEFORE = ("prompts", "top_k", "nucleus", "embedder")


class ResponsesSpec(Spec):
    """How a cell samples its responses to the test prompts."""

    generation: Generation
    prompts: int
    """Prompts that get several responses."""
    samples: int
    """Responses to each of those."""
    seed: int
    engine: EngineSpec
    base: Base


class SampleResponses(TargetStage[ResponsesSpec]):
    """Generates a cell's responses to the test prompts."""

    name = "sample_responses"
    outputs = {
        "responses": File(f"{CELL}/responses.jsonl"),
        "samples": File(f"{CELL}/samples.jsonl"),
    }
    device = Device.ENGINE
    priority = 35
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The model and the test rows."""
        return {**study.tuned_model(key), "test": study.data("test")}

    def spec(self, study: Study, key: keys.Cell) -> ResponsesSpec:
        """The settings of sampling."""
        collapse = _settings(study)
        return ResponsesSpec(
            generation=study.config.generation,
            prompts=collapse.prompts,
            samples=collapse.samples,
            seed=key.seed,
            engine=engine(study, key.target),
            base=base(study, key.target),
        )

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """Tokens of all responses."""
        rows = _responses(costs.study)
        tokens = rows * costs.study.config.generation.max_tokens
        return Cost(seconds=costs.writing(key.target, tokens), rows=2 * rows, tokens=tokens)


class ReferenceSpec(Spec):
    """The embedder."""

    embedder: Base | None
    threads: int


class EmbedReference(Stage[keys.Once, ReferenceSpec]):
    """Embeds the human test responses."""

    name = "embed_reference"
    outputs = {"embeddings": File("data/test.safetensors")}
    device = Device.JOB
    priority = 35
    start_seconds = 8.0
    imports_torch = True

    def inputs(self, study: Study, key: keys.Once) -> Inputs:
        """The embedder and the test rows."""
        return {"embedder": _embedder_folder(study), "test": study.data("test")}

    def spec(self, study: Study, key: keys.Once) -> ReferenceSpec:
        """The embedder of the collapse probe."""
        return ReferenceSpec(embedder=_embedder(study), threads=study.config.training.threads)

    def cost(self, costs: CostModel, key: keys.Once) -> Cost:
        """One embedding per test row."""
        rows = costs.study.config.dataset.test
        return Cost(seconds=costs.embedding(rows), rows=4 * rows)


class LikelihoodSpec(Spec):
    """The longest sequence, the limits of the likeliest tokens, and the embedder."""

    context: int
    """Longest sequence in tokens."""
    top_k: int
    nucleus: float
    embedder: Base | None
    threads: int
    base: Base


class ScoreLikelihood(TargetStage[LikelihoodSpec]):
    """Scores human text under the cell, its own text under the target, and embeds its text."""

    name = "score_likelihood"
    outputs = {
        "likelihood": File(f"{CELL}/likelihood.json"),
        "tokens": File(f"{CELL}/tokens.parquet"),
        "own": File(f"{CELL}/own-likelihood.json"),
        "embeddings": File(f"{CELL}/embeddings.safetensors"),
    }
    device = Device.JOB
    priority = 35
    start_seconds = 8.0
    imports_torch = True

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The model, the embedder, human rows, and the cell's responses."""
        return {
            **study.tuned_model(key),
            "embedder": _embedder_folder(study),
            "test": study.data("test"),
            "train": study.data("train"),
            "responses": study.path(key.path, "responses.jsonl"),
            "samples": study.path(key.path, "samples.jsonl"),
        }

    def spec(self, study: Study, key: keys.Cell) -> LikelihoodSpec:
        """The settings of scoring."""
        collapse = _settings(study)
        return LikelihoodSpec(
            context=study.config.engine.max_model_len,
            top_k=collapse.top_k,
            nucleus=collapse.nucleus,
            embedder=_embedder(study),
            threads=study.config.training.threads,
            base=base(study, key.target),
        )

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """Three readings of the test rows, and an embedding per response."""
        study, test = costs.study, costs.study.config.dataset.test
        read = costs.reading(key.target, 3 * test * 100)
        embedded = costs.embedding(_responses(study)) if study.embedder else 0.0
        return Cost(
            seconds=None if read is None else read + embedded,
            rows=8 * test + 4 * _responses(study),
        )


class CollapseSpec(Spec):
    """The settings of the measurements."""

    collapse: Settings
    seed: int
    task: str | None = None
    """`summarize` if agreement with the human text is measured."""


class Collapse(Stage[keys.Cell, CollapseSpec]):
    """Measures fit to human text and diversity of a cell's responses."""

    name = "collapse"
    key = keys.Cell
    outputs = {
        "measured": File(f"{CELL}/collapse.json"),
        "outliers": File(f"{CELL}/outliers.json"),
    }
    priority = 60
    start_seconds = 3.0

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """Likelihoods, responses, human text, and embeddings where there is an embedder."""
        embedded = study.embedder is not None
        return {
            "likelihood": study.path(key.path, "likelihood.json"),
            "tokens": study.path(key.path, "tokens.parquet"),
            "own": study.path(key.path, "own-likelihood.json"),
            "responses": study.path(key.path, "responses.jsonl"),
            "samples": study.path(key.path, "samples.jsonl"),
            "test": study.data("test"),
            "embeddings": [study.path(key.path, "embeddings.safetensors")] if embedded else [],
            "reference": [study.path("data/test.safetensors")] if embedded else [],
        }

    def spec(self, study: Study, key: keys.Cell) -> CollapseSpec:
        """The probe's settings, without those that earlier stages depend on."""
        unused = {name: Settings.model_fields[name].default for name in OF_STAGES_BEFORE}
        settings = _settings(study).model_copy(update=unused)
        task = study.config.dataset.task
        return CollapseSpec(
            collapse=settings, seed=key.seed, task=task if task == "summarize" else None
        )


def _settings(study: Study) -> Settings:
    collapse = study.config.probes.collapse
    assert collapse is not None
    return collapse


def _responses(study: Study) -> int:
    """Responses that a cell samples."""
    collapse = study.config.probes.collapse
    return study.config.dataset.test + (collapse.repeat_responses if collapse else 0)


def _embedder(study: Study) -> Base | None:
    name = study.embedder
    if name is None:
        return None
    return base(study, name) if name in study.config.models else Base(name=name)


def _embedder_folder(study: Study) -> list[str]:
    """The folder of the embedder; none for the one that comes with the environment."""
    return model_folder(study, study.embedder)
