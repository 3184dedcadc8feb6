"""Stages of the preference probe: candidates, judgements of pairs, and measures of judges."""

from typing import TYPE_CHECKING, Any

from manybaskets.config.base import HUMAN, Section
from manybaskets.config.probes import ExternalJudge as ExternalJudgeSettings
from manybaskets.config.probes import Preference as Settings
from manybaskets.config.serving import Generation
from manybaskets.probes.preference import questions
from manybaskets.stages.base import Cost, Device, File, Inputs, Spec, Stage, TargetStage
from manybaskets.stages.cost_model import CostModel
from manybaskets.stages.specs import (
    ACCESS,
    Base,
    EngineSpec,
    Texts,
    base,
    engine,
    model_folder,
    texts,
    values,
)
from manybaskets.study import keys
from manybaskets.study.layout import Study

if TYPE_CHECKING:  # it imports numpy, which planning does not need
    from manybaskets.probes.preference.text_question import TextQuestion

CELL = f"cells/{keys.PATTERNS[keys.Cell]}"


class CellCandidatesSpec(Spec):
    """How a cell samples its candidates, and for how many items."""

    generation: Generation
    items: int
    task: str
    seed: int
    engine: EngineSpec
    base: Base


class CellCandidates(TargetStage[CellCandidatesSpec]):
    """Generates a cell's candidates for the items that judges compare."""

    name = "cell_candidates"
    outputs = {"candidates": File(f"{CELL}/candidates.jsonl")}
    device = Device.ENGINE
    priority = 35
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The model and the items."""
        return {**study.tuned_model(key), "texts": study.judged_items()}

    def spec(self, study: Study, key: keys.Cell) -> CellCandidatesSpec:
        """The settings of sampling."""
        return CellCandidatesSpec(
            generation=study.config.generation,
            items=_settings(study).items,
            task=study.judged_task(),
            seed=key.seed,
            engine=engine(study, key.target),
            base=base(study, key.target),
        )

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """Tokens of one response per item."""
        tokens = _settings(costs.study).items * costs.study.config.generation.max_tokens
        return Cost(seconds=costs.writing(key.target, tokens), tokens=tokens)


class QuestionSpec(Section):
    """A question about one text: what the judge is sent, and how complete its reply must be.

    The spec contains it so that jobs of judges do not depend on the code that measures answers.
    """

    labels: tuple[str, ...]
    prompt: str
    may_lack: int


class JudgeSpec(Spec):
    """A judge of preference: the questions, their templates, and the origins it compares."""

    judge: str
    seed: int
    own: str | None
    """The origin whose text is the judge's own."""
    preference: Settings
    templates: dict[str, str]
    """The template of each question, below `resources/`."""
    texts: Texts
    questions: dict[str, QuestionSpec]
    """The questions about one text, by name."""
    origins: list[str]
    engine: EngineSpec
    base: Base | None = None


class JudgePairs(TargetStage[JudgeSpec]):
    """Generates a cell's judgements of pairs of candidates, in both orders, and of single ones."""

    name = "judge_pairs"
    outputs = {"judgements": File(f"{CELL}/judgements.jsonl")}
    device = Device.ENGINE
    priority = 35
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The model, the items, and the candidates of sources and cells."""
        return {
            **study.tuned_model(key),
            "texts": study.judged_items(),
            "cells": study.judged_cells(key.target, key.seed),
            "candidates": _candidates(study),
        }

    def spec(self, study: Study, key: keys.Cell) -> JudgeSpec:
        """The questions, and the cell's own origin."""
        return JudgeSpec(
            judge=f"{key.target}/{key.mix}",
            seed=key.seed,
            own=study.own_origin(key.target, key.mix),
            engine=engine(study, key.target),
            base=base(study, key.target),
            **_questions(study),
        )

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """All judgements of one judge."""
        study = costs.study
        own = study.own_origin(key.target, key.mix)
        count = _judgements(study, own, key.target)
        seconds = costs.judging(key.target, count)
        return Cost(seconds=seconds, rows=count, judgements=count)


class PreferenceSpec(Spec):
    """The origin whose text is the cell's own."""

    own: str | None


class Preference(Stage[keys.Cell, PreferenceSpec]):
    """Measures preference, self-preference and position bias of a cell from its judgements."""

    name = "preference"
    key = keys.Cell
    outputs = {"measured": File(f"{CELL}/preference.json")}
    priority = 60

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The cell's judgements."""
        return {"judgements": study.path(key.path, "judgements.jsonl")}

    def spec(self, study: Study, key: keys.Cell) -> PreferenceSpec:
        """The cell's own origin."""
        return PreferenceSpec(own=study.own_origin(key.target, key.mix))


class JudgeModelSpec(ExternalJudgeSettings):
    """The settings that determine the judgements of an external judge."""

    name: str


class ExternalJudgeSpec(JudgeSpec):
    """An external judge: its model, and the same questions as for cells."""

    source: JudgeModelSpec


class ExternalJudge(Stage[keys.JudgeSeed, ExternalJudgeSpec]):
    """Runs the pairwise judging task with an external model."""

    name = "external_judge"
    key = keys.JudgeSeed
    outputs = {"judgements": File("judges/{judge}/seed={seed}.jsonl")}
    device = Device.ENGINE
    priority = 38
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.JudgeSeed) -> Inputs:
        """The judge's model, the items, and the candidates of sources and cells."""
        targets = study.config.targets
        return {
            "model": model_folder(study, self.model(study, key)),
            "texts": study.judged_items(),
            "cells": [path for t in targets for path in study.judged_cells(t, key.seed)],
            "candidates": _candidates(study),
        }

    def spec(self, study: Study, key: keys.JudgeSeed) -> ExternalJudgeSpec:
        """The judge's entry in the config, and the questions."""
        judge = study.external_judges[key.judge]
        source = values(judge, *ACCESS, "own")
        return ExternalJudgeSpec(
            source=JudgeModelSpec(**source, name=f"preference judge {key.judge}"),
            judge=key.judge,
            seed=key.seed,
            own=study.external_judge_origin(key.judge),
            engine=engine(study, judge.model),
            base=None if judge.endpoint else base(study, judge.model),
            **_questions(study),
        )

    def model(self, study: Study, key: keys.JudgeSeed) -> str:
        """The judge's model."""
        return study.external_judges[key.judge].model

    def cost(self, costs: CostModel, key: keys.JudgeSeed) -> Cost:
        """All judgements of one judge; the time of an endpoint is unknown."""
        study, judge = costs.study, costs.study.external_judges[key.judge]
        own = study.external_judge_origin(key.judge)
        count = _judgements(study, own, *study.config.targets)
        seconds = None if judge.endpoint else costs.judging(judge.model, count)
        return Cost(seconds=seconds, rows=count, judgements=count)


class CompareJudgesSpec(Spec):
    """The files of judgements, below the study's results."""

    judgements: list[str]


class CompareJudges(Stage[keys.Once, CompareJudgesSpec]):
    """Computes the measures of every judge, and of all together, with intervals."""

    name = "compare_judges"
    outputs = {"table": File("findings/judges.csv")}
    priority = 20

    def inputs(self, study: Study, key: keys.Once) -> Inputs:
        """The judgements of all judges."""
        return {"judgements": [study.path(path) for path in study.opinion_files()]}

    def spec(self, study: Study, key: keys.Once) -> CompareJudgesSpec:
        """The files of judgements."""
        return CompareJudgesSpec(judgements=study.opinion_files())


def _settings(study: Study) -> Settings:
    preference = study.config.probes.preference
    assert preference is not None
    return preference


def _candidates(study: Study) -> list[str]:
    return [study.path("candidates", f"{name}.jsonl") for name in study.judged_sources()]


def _judgements(study: Study, own: str | None, *targets: str) -> int:
    """Returns the number of judgements of one judge on texts of sources and cells."""
    settings = _settings(study).model_dump()
    return questions.count_asked(settings, study.judged_origins(*targets), own)


def _questions(study: Study) -> dict[str, Any]:
    """Returns the fields of a `JudgeSpec` that are the same for all judges."""
    preference = _settings(study)
    kind = "" if study.judged_task() == "summarize" else "-answers"
    asked = _text_questions(preference)
    names = {"pair": f"judge{kind}"}
    names |= {name: f"{one.template}{kind}" for name, one in asked.items() if one.template}
    used = {"pair", *preference.questions}
    templates = {
        question: f"prompts/{name}.txt"
        for question, name in (names | {**preference.templates}).items()
        if question in used
    }
    # Settings of other stages, and those that are fields of the spec.
    unused: dict[str, Any] = {"judges": {}, "texts": None, "sources": None, "templates": {}}
    return {
        "preference": preference.model_copy(update=unused),
        "templates": templates,
        "texts": texts(*sorted(templates.values())),
        "questions": {
            name: QuestionSpec(labels=one.labels, prompt=one.prompt, may_lack=one.may_lack)
            for name, one in asked.items()
        },
        "origins": [HUMAN, *study.judged_sources()],
    }


def _text_questions(preference: Settings) -> "dict[str, TextQuestion]":
    """Returns the study's questions about one text, without importing any where it has none."""
    names = [name for name in preference.questions if name != "likelihood"]
    if not names:
        return {}
    from manybaskets.probes.preference import text_questions

    return {name: text_questions.question(name) for name in names}


def preference_texts(study: Study) -> Texts:
    """Returns hashes of the study's templates of judges. Raises ConfigError for a missing one."""
    preference = study.config.probes.preference
    names = [*preference.templates.values()] if preference else []
    names += [preference.texts.request] if preference and preference.texts else []
    return texts(*(f"prompts/{name}.txt" for name in names))
