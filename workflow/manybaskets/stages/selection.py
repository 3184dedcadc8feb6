"""Stages of selection: scores of the responses that a mix may keep, and the rows that it keeps."""

from collections.abc import Mapping, Sequence
from typing import Any

from manybaskets.config.base import HUMAN
from manybaskets.config.mixes import Select
from manybaskets.paths import REPOSITORY
from manybaskets.selection import verifiers
from manybaskets.stages import fingerprint
from manybaskets.stages.base import Cost, Device, File, Inputs, Spec, Stage
from manybaskets.stages.cost_model import PROMPT_TOKENS, SHARE_USED, CostModel
from manybaskets.stages.loops import joining_rows
from manybaskets.stages.specs import (
    Base,
    EngineSpec,
    MixSpec,
    SourceSpec,
    base,
    engine,
    mix_spec,
    model_folder,
    responses,
    source,
)
from manybaskets.study import keys
from manybaskets.study.layout import Study

COMPARED = 5_000.0  # responses a second that are compared with a reference
POOL = keys.PATTERNS[keys.Pool]


class ScoreSpec(Spec):
    """The verifier, and the pool of responses that it scores."""

    verifier: dict[str, Any]
    """The settings of the verifier that change its scores, and hashes of its files."""
    mix: MixSpec | None = None
    """The recipe of the mix; none in a loop, where every written response may be kept."""
    rows: int | None = None
    seed: int
    context: int | None = None
    """Longest sequence in tokens of the verifier's model."""
    threads: int | None = None
    base: Base | None = None
    source: SourceSpec | None = None
    engine: EngineSpec | None = None


class ScoreResponses(Stage[keys.Pool, ScoreSpec]):
    """Scores every response that a selected mix may keep with the mix's verifier."""

    name = "score_responses"
    key = keys.Pool
    outputs = {"verdicts": File(f"verdicts/{POOL}.jsonl")}
    device = Device.JOB
    priority = 38
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.Pool) -> Inputs:
        """The pool of responses, the human rows, and the verifier's model."""
        return {
            "train": study.data("train"),
            "prompts": study.data("prompts"),
            "responses": pool_files(study, key),
            "model": model_folder(study, self.model(study, key)),
        }

    def spec(self, study: Study, key: keys.Pool) -> ScoreSpec:
        """The settings of the mix's verifier."""
        settings = study.selection(key.mix).verifier
        verifier = verifiers.verifier(settings.by)
        hashes = {
            f"{name}_sha256": fingerprint.file_hash(REPOSITORY / getattr(settings, name))
            for name in verifier.files
        }
        parts: dict[str, Any] = {}
        if not key.chain:
            parts = {"mix": mix_spec(study.config.mixes[key.mix]), "rows": study.rows}
        if settings.model is not None:
            parts["base"] = base(study, settings.model)
            parts["context"] = study.config.engine.max_model_len
            parts["threads"] = study.config.training.threads
        if settings.source is not None:
            parts["source"] = source(study, settings.source)
            parts["engine"] = engine(study, study.config.sources[settings.source].model)
        described = verifier.described(settings) | hashes
        return ScoreSpec(verifier=described, seed=key.seed, **parts)

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """Mixes that select."""
        return {"mix": study.selecting}

    def model(self, study: Study, key: keys.Pool) -> str | None:
        """The verifier's model, or that of its source."""
        settings = study.selection(key.mix).verifier
        return study.config.sources[settings.source].model if settings.source else settings.model

    def is_served(self, study: Study, key: keys.Pool) -> bool:
        """Returns whether the verifier is a source, which an engine serves."""
        return study.selection(key.mix).verifier.source is not None

    def cost(self, costs: CostModel, key: keys.Pool) -> Cost:
        """Reading of the pool by a model, judgements by a source, or comparisons."""
        study, rows = costs.study, pool_rows(costs.study, key)
        verifier, model = study.selection(key.mix).verifier, self.model(study, key)
        seconds: float | None = rows / COMPARED
        if verifier.model:
            written = study.config.generation.max_tokens * SHARE_USED
            seconds = costs.reading(verifier.model, rows * (PROMPT_TOKENS + written))
        elif verifier.source:
            seconds = costs.judging(model, rows) if model in study.config.models else None
        return Cost(seconds=seconds, rows=rows, judgements=rows if verifier.source else 0)


class SelectSpec(Spec):
    """The selection rule of a mix, and of the mix whose keep rate a random control matches."""

    name: str = ""
    in_loop: bool = False
    select: Select
    accepts_from: float | None
    seed: int
    like: "SelectSpec | None" = None


class SelectRows(Stage[keys.Pool, SelectSpec]):
    """Keeps the responses that pass a mix's selection rule."""

    name = "select"
    key = keys.Pool
    outputs = {"rows": File(f"selections/{POOL}.jsonl")}
    priority = 60

    def inputs(self, study: Study, key: keys.Pool) -> Inputs:
        """The scores, and those of the mix whose keep rate is matched."""
        like = study.selection(key.mix).match_keep_rate
        return {
            "verdicts": _verdicts(study, key),
            "like": [_verdicts(study, key._replace(mix=like))] if like else [],
        }

    def spec(self, study: Study, key: keys.Pool) -> SelectSpec:
        """The mix's `select` section."""
        spec = _selection(study, key)
        return spec.model_copy(update={"name": key.mix, "in_loop": bool(key.chain)})

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """Mixes that select."""
        return {"mix": study.selecting}

    def cost(self, costs: CostModel, key: keys.Pool) -> Cost:
        """As many rows as every mix has."""
        return Cost(rows=costs.study.rows)


class VerifierQuality(Stage[keys.Pool, SelectSpec]):
    """Measures how often a mix's selection kept right and wrong responses."""

    name = "verifier_quality"
    key = keys.Pool
    outputs = {"measured": File(f"selections/{POOL}.json")}
    priority = 60

    def inputs(self, study: Study, key: keys.Pool) -> Inputs:
        """The inputs of the selection, and the human responses."""
        return {**SelectRows().inputs(study, key), "train": study.data("train")}

    def spec(self, study: Study, key: keys.Pool) -> SelectSpec:
        """The mix's `select` section, without `on_shortfall`."""
        return _selection(study, key, on_shortfall=False)

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """Mixes that select."""
        return {"mix": study.selecting}


def _selection(study: Study, key: keys.Pool, on_shortfall: bool = True) -> SelectSpec:
    select = study.selection(key.mix)
    unused = {"control": True} | ({} if on_shortfall else {"on_shortfall": "error"})
    like = None
    if select.match_keep_rate:
        like = _selection(study, key._replace(mix=select.match_keep_rate), on_shortfall)
    return SelectSpec(
        select=select.model_copy(update=unused),
        accepts_from=select.verifier.accepts_from,
        seed=key.seed,
        like=like,
    )


def pool_files(study: Study, key: keys.Pool) -> list[str]:
    """Returns the files of responses that a selection may keep."""
    if key.chain:
        written = keys.Cell(key.chain, key.mix, key.seed, key.generation)
        return [study.path("responses", keys.LOOP, f"{keys.place(written)}.jsonl")]
    return responses(study, study.mix_sources(key.mix), key.seed)


def pool_rows(study: Study, key: keys.Pool) -> int:
    """Returns the number of responses that a selection may keep."""
    if key.chain:
        return joining_rows(study, key.chain, key.mix, key.generation + 1)
    mix = study.config.mixes[key.mix]
    synthetic = sum(share for name, share in mix.origins.items() if name != HUMAN)
    return round(study.rows * synthetic) * mix.samples


def _verdicts(study: Study, key: keys.Pool) -> str:
    return study.path("verdicts", f"{keys.place(key)}.jsonl")
