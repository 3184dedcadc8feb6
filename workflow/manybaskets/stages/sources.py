"""Stages of synthetic text: responses of sources to the training prompts and the judges' items."""

from manybaskets.config.serving import Generation
from manybaskets.stages.base import Cost, Device, File, Inputs, Spec, Stage
from manybaskets.stages.cost_model import CostModel
from manybaskets.stages.specs import (
    EngineSpec,
    MixSpec,
    SourceSpec,
    engine,
    mix_spec,
    model_folder,
    source,
)
from manybaskets.study import keys
from manybaskets.study.layout import Study


class GenerateSpec(Spec):
    """A source, its sampling, and the mixes that assign prompts to it."""

    source: SourceSpec
    generation: Generation
    mixes: list[MixSpec]
    rows: int
    """Rows of every mix."""
    seed: int
    engine: EngineSpec


class Generate(Stage[keys.SourceSeed, GenerateSpec]):
    """Generates a source's responses to the training prompts that the mixes assign to it."""

    name = "generate"
    key = keys.SourceSeed
    outputs = {"responses": File("responses/{source}/seed={seed}.jsonl")}
    device = Device.ENGINE
    priority = 40
    start_seconds = 2.0
    extent = ("mixes", "rows")

    def inputs(self, study: Study, key: keys.SourceSeed) -> Inputs:
        """The training rows, the prompts and the model."""
        return {
            "train": study.data("train"),
            "prompts": study.data("prompts"),
            "model": model_folder(study, self.model(study, key)),
            "recorded": study.downloads(study.config.sources[key.source]),
        }

    def spec(self, study: Study, key: keys.SourceSeed) -> GenerateSpec:
        """The source, and the mixes that draw on it."""
        mixes = [mix for _, mix in sorted(study.own_mixes.items()) if key.source in mix.origins]
        return GenerateSpec(
            source=source(study, key.source),
            generation=study.config.generation,
            mixes=[mix_spec(mix) for mix in mixes],
            rows=study.rows,
            seed=key.seed,
            engine=engine(study, self.model(study, key)),
        )

    def model(self, study: Study, key: keys.SourceSeed) -> str | None:
        """The source's model."""
        return study.config.sources[key.source].model

    def cost(self, costs: CostModel, key: keys.SourceSeed) -> Cost:
        """Tokens of all responses in the mixes."""
        rows = requested(costs.study, key.source)
        return _written(costs, key.source, rows)


class CandidatesSpec(Spec):
    """A source, its sampling, and the number of items."""

    source: SourceSpec
    generation: Generation
    items: int
    task: str
    engine: EngineSpec


class SourceCandidates(Stage[keys.Source, CandidatesSpec]):
    """Generates a source's candidates for the items that judges compare."""

    name = "source_candidates"
    key = keys.Source
    outputs = {"responses": File("candidates/{source}.jsonl")}
    device = Device.ENGINE
    priority = 40
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.Source) -> Inputs:
        """The items and the model."""
        model = model_folder(study, self.model(study, key))
        recorded = study.downloads(study.config.sources[key.source])
        return {"texts": study.judged_items(), "model": model, "recorded": recorded}

    def spec(self, study: Study, key: keys.Source) -> CandidatesSpec:
        """The source, and how many items there are."""
        preference = study.config.probes.preference
        assert preference is not None
        return CandidatesSpec(
            source=source(study, key.source),
            generation=study.config.generation,
            items=max(preference.items, preference.control_pairs),
            task=study.judged_task(),
            engine=engine(study, self.model(study, key)),
        )

    def model(self, study: Study, key: keys.Source) -> str | None:
        """The source's model."""
        return study.config.sources[key.source].model

    def cost(self, costs: CostModel, key: keys.Source) -> Cost:
        """Tokens of one response per item."""
        preference = costs.study.config.probes.preference
        items = max(preference.items, preference.control_pairs) if preference else 0
        return _written(costs, key.source, items)._replace(rows=8)


def _written(costs: CostModel, source: str, rows: int) -> Cost:
    config = costs.study.config
    tokens = 0 if config.sources[source].is_recorded else rows * config.generation.max_tokens
    return Cost(seconds=costs.writing_of_source(source, rows), rows=rows, tokens=tokens)


def requested(study: Study, source: str) -> int:
    """Returns the expected number of a source's responses in the mixes of one seed."""
    mixes, total = study.own_mixes.values(), 0.0
    for sample in range(max((mix.samples for mix in mixes), default=0)):
        missed = 1.0
        # Mixes draw prompts for a source independently, those with the same recipe identically.
        recipes = {(mix.assign, *mix.origins.items()): mix for mix in mixes if mix.samples > sample}
        for mix in recipes.values():
            missed *= 1 - mix.origins.get(source, 0.0)
        total += study.rows * (1 - missed)
    return round(total)
