"""Stage of training sets."""

from manybaskets.stages.base import Cost, File, Inputs, Spec, Stage
from manybaskets.stages.cost_model import CostModel
from manybaskets.stages.specs import MixSpec, mix_spec, responses
from manybaskets.study import keys
from manybaskets.study.layout import Study


class BuildMixSpec(Spec):
    """The recipe of a mix, and its size in rows or tokens."""

    mix: MixSpec
    rows: int
    match: str
    """The size that is equal in all mixes: rows or tokens."""
    tokens: int | None
    trust_remote_code: bool
    seed: int


class BuildMix(Stage[keys.MixSeed, BuildMixSpec]):
    """Builds the training set of a mix for one seed."""

    name = "build_mix"
    key = keys.MixSeed
    outputs = {
        "rows": File("mixes/{mix}/seed={seed}.jsonl"),
        "composition": File("mixes/{mix}/seed={seed}.json"),
    }

    def inputs(self, study: Study, key: keys.MixSeed) -> Inputs:
        """The human rows, and the sources' responses or the rows of a selection."""
        is_selected = key.mix in study.selected
        selected = study.path("selections", key.mix, f"seed={key.seed}.jsonl")
        sources = [] if is_selected else study.mix_sources(key.mix)
        return {
            "train": study.data("train"),
            "prompts": study.data("prompts"),
            "responses": responses(study, sources, key.seed),
            "selected": [selected] if is_selected else [],
            "tokenizer": study.token_counter(),
        }

    def spec(self, study: Study, key: keys.MixSeed) -> BuildMixSpec:
        """The mix's entry in the config."""
        config = study.config
        return BuildMixSpec(
            mix=mix_spec(config.mixes[key.mix]),
            rows=study.rows,
            match=config.match,
            tokens=config.tokens,
            trust_remote_code=config.models[config.targets[0]].trust_remote_code,
            seed=key.seed,
        )

    def cost(self, costs: CostModel, key: keys.MixSeed) -> Cost:
        """As many rows as every mix has."""
        return Cost(rows=costs.study.rows)
