"""Stages of the robustness probe: requests, attacks, judges of harm, and measurements."""

from pathlib import Path
from typing import Any, Literal

from manybaskets.config.base import VANILLA, Section
from manybaskets.config.probes import BestOfN, Gcg, Judge
from manybaskets.config.probes import Robustness as Settings
from manybaskets.config.serving import Generation
from manybaskets.data import request_sets
from manybaskets.paths import REPOSITORY, RESOURCES
from manybaskets.probes.robustness import attacks
from manybaskets.stages import fingerprint
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

CELL = f"cells/{keys.PATTERNS[keys.Cell]}"
TARGET_TOKENS = 16  # of the beginning of a reply that GCG aims at, and the template before it


class RequestsSpec(Section):
    """Files of requests with their hashes, and the public sets, which are inputs of their own."""

    files: dict[str, str]
    sets: list[str]


class RequestSetSpec(Spec):
    """A public set: its URL, its hash, and the user's copy."""

    set: dict[str, Any]
    copy_file: str | None
    copy_sha256: str | None


class DownloadRequests(Stage[keys.RequestSet, RequestSetSpec]):
    """Downloads a public set of requests and verifies its hash."""

    name = "download_requests"
    key = keys.RequestSet
    outputs = {"file": File("restricted/sets/{set}")}
    priority = 50

    def spec(self, study: Study, key: keys.RequestSet) -> RequestSetSpec:
        """The declared set, and the user's copy of it."""
        robustness = _settings(study)
        copy = robustness.local_files.get(key.set)
        return RequestSetSpec(
            set=request_sets.declared(key.set).described(robustness.sha256.get(key.set)),
            copy_file=copy,
            copy_sha256=fingerprint.file_hash(Path(copy)) if copy else None,
        )


class SuffixesSpec(Spec):
    """The settings of GCG, and the requests."""

    gcg: Gcg
    requests: RequestsSpec
    count: int
    target: str
    own: bool
    """Whether they are optimised on the attacked cell instead of the vanilla target."""
    seed: int
    threads: int
    base: Base


class OptimiseSuffixes(TargetStage[SuffixesSpec]):
    """Optimises suffixes by GCG that make a cell begin to comply with requests."""

    name = "optimise_suffixes"
    outputs = {"suffixes": File(f"{CELL}/restricted/suffixes.jsonl")}
    device = Device.JOB
    priority = 40
    start_seconds = 8.0
    imports_torch = True

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The model and the public sets."""
        return {**study.tuned_model(key), "sets": _sets(study)}

    def spec(self, study: Study, key: keys.Cell) -> SuffixesSpec:
        """The settings of GCG."""
        robustness = _settings(study)
        vanilla = keys.Cell(key.target, VANILLA, study.config.seeds[0])
        return SuffixesSpec(
            gcg=robustness.gcg,
            requests=_requests(study),
            count=robustness.count,
            target=robustness.compliance_prefix,
            own=key._replace(generation=0) != vanilla,
            seed=key.seed,
            threads=study.config.training.threads,
            base=base(study, key.target),
        )

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """One reading of all candidates per step."""
        weights, gcg = costs.weights(key.target), _settings(costs.study).gcg
        if weights is None:
            return Cost(seconds=None)
        read = gcg.candidates * (gcg.suffix_tokens + TARGET_TOKENS)
        rate = costs.rate(key.target, costs.study.config.training.threads)
        step = max(costs.shortest_step / 2, 2 * weights * read / rate)
        return Cost(seconds=gcg.behaviours * gcg.steps * step)


class AttacksSpec(Spec):
    """The requests, the attacks, and how a cell samples its responses to them."""

    requests: RequestsSpec
    count: int
    attacks: list[str]
    templates: Texts
    target: str
    best_of_n: BestOfN
    max_tokens: int
    generation: Generation
    seed: int
    engine: EngineSpec
    base: Base


class RunAttacks(TargetStage[AttacksSpec]):
    """Generates a cell's responses to requests, plain and under every attack."""

    name = "run_attacks"
    outputs = {"attacks": File(f"{CELL}/restricted/attacks.jsonl")}
    device = Device.ENGINE
    priority = 35
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The model, the public sets, and the suffixes of GCG."""
        cells = study.optimised(key)
        return {
            **study.tuned_model(key),
            "sets": _sets(study),
            "suffixes": [study.path(c.path, "restricted/suffixes.jsonl") for c in cells],
        }

    def spec(self, study: Study, key: keys.Cell) -> AttacksSpec:
        """The requests and attacks of the probe."""
        robustness = _settings(study)
        return AttacksSpec(
            requests=_requests(study),
            count=robustness.count,
            attacks=robustness.attacks,
            templates=attack_texts(study),
            target=robustness.compliance_prefix,
            best_of_n=robustness.best_of_n,
            max_tokens=robustness.max_tokens,
            generation=study.config.generation,
            seed=key.seed,
            engine=engine(study, key.target),
            base=base(study, key.target),
        )

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """Tokens of the responses to all attempts."""
        rows = attempts(costs.study)
        tokens = rows * _settings(costs.study).max_tokens
        return Cost(seconds=costs.writing(key.target, tokens), rows=rows, tokens=tokens)


class HarmJudgeSpec(Judge):
    """The settings that determine the labels of a judge of harm."""

    name: str
    template_sha256: str | None = None


class JudgeHarmSpec(Spec):
    """A judge of harm, its prompts, and the engine that serves it."""

    source: HarmJudgeSpec
    texts: Texts
    engine: EngineSpec
    base: Base | None = None


class JudgeHarm(Stage[keys.JudgedCell, JudgeHarmSpec]):
    """Labels a cell's responses to requests and attacks with a judge model."""

    name = "judge_harm"
    key = keys.JudgedCell
    outputs = {"labels": File(f"{CELL}/restricted/labels/{{judge}}.jsonl")}
    device = Device.ENGINE
    priority = 38
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.JudgedCell) -> Inputs:
        """The cell's responses, and the judge's model."""
        cell = keys.Cell(*key[:4])
        return {
            "attacks": study.path(cell.path, "restricted/attacks.jsonl"),
            "model": model_folder(study, self.model(study, key)),
        }

    def spec(self, study: Study, key: keys.JudgedCell) -> JudgeHarmSpec:
        """The judge's entry in the config."""
        return JudgeHarmSpec(**_judge(study, key.judge))

    def model(self, study: Study, key: keys.JudgedCell) -> str:
        """The judge's model."""
        return _settings(study).judges[key.judge].model

    def cost(self, costs: CostModel, key: keys.JudgedCell) -> Cost:
        """Tokens of one answer per attempt."""
        rows, judge = attempts(costs.study), _settings(costs.study).judges[key.judge]
        tokens = rows * judge.max_tokens
        seconds = None if judge.endpoint else costs.writing(judge.model, tokens)
        return Cost(seconds=seconds, rows=rows, tokens=tokens)


class JudgeLabelledSpec(JudgeHarmSpec):
    """A judge of harm, and the file of responses that people have labelled."""

    labelled: str | None
    sha256: str | None


class JudgeLabelled(Stage[keys.Judge, JudgeLabelledSpec]):
    """Labels the responses that people have labelled with a judge model."""

    name = "judge_labelled"
    key = keys.Judge
    outputs = {"labels": File("restricted/calibration/{judge}.jsonl")}
    device = Device.ENGINE
    priority = 38
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.Judge) -> Inputs:
        """The judge's model."""
        return {"model": model_folder(study, self.model(study, key))}

    def spec(self, study: Study, key: keys.Judge) -> JudgeLabelledSpec:
        """The judge's entry in the config, and the labelled file's hash."""
        return JudgeLabelledSpec(**_judge(study, key.judge), **_labelled(study))

    def model(self, study: Study, key: keys.Judge) -> str:
        """The judge's model."""
        return _settings(study).judges[key.judge].model


class RobustnessSpec(Spec):
    """The judges, and the file of responses that people have labelled."""

    judges: dict[str, tuple[str, float]]
    """The kind and the highest rate of unparsed labels of each judge."""
    refusals: Literal["learned", "rules"]
    detector_sha256: str | None = None
    """Hash of the learned detector's weights."""
    labelled: str | None
    sha256: str | None


class Robustness(Stage[keys.Cell, RobustnessSpec]):
    """Measures refusals, over-refusal, attack success and degeneration of a cell's responses."""

    name = "robustness"
    key = keys.Cell
    outputs = {"measured": File(f"{CELL}/robustness.json")}
    priority = 60
    imports_torch = True

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The responses, and all judges' labels of them and of the labelled file."""
        robustness = study.config.probes.robustness
        judges = robustness.judges if robustness else ()
        folder = study.path(key.path, "restricted")
        calibrated = judges if robustness and robustness.human_labels else ()
        return {
            "attacks": f"{folder}/attacks.jsonl",
            "labels": [f"{folder}/labels/{judge}.jsonl" for judge in judges],
            "calibration": [
                study.path("restricted/calibration", f"{judge}.jsonl") for judge in calibrated
            ],
        }

    def spec(self, study: Study, key: keys.Cell) -> RobustnessSpec:
        """The judges of the probe."""
        judges = _settings(study).judges.items()
        return RobustnessSpec(
            judges={name: (judge.by, judge.max_unparsed_rate) for name, judge in judges},
            refusals=_settings(study).refusals,
            detector_sha256=_detector_hash(study),
            **_labelled(study),
        )


def _settings(study: Study) -> Settings:
    robustness = study.config.probes.robustness
    assert robustness is not None
    return robustness


def _detector_hash(study: Study) -> str | None:
    if _settings(study).refusals != "learned":
        return None
    return fingerprint.file_hash(RESOURCES / "refusals" / "detector.json")


def _requests(study: Study) -> RequestsSpec:
    files = {
        name: fingerprint.file_hash(REPOSITORY / name)
        for name in study.named_requests()
        if not request_sets.is_declared(name)
    }
    return RequestsSpec(files=files, sets=study.request_sets())


def _sets(study: Study) -> list[str]:
    return [study.path("restricted/sets", name) for name in study.request_sets()]


def _judge(study: Study, name: str) -> dict[str, Any]:
    """Returns the fields of a `JudgeHarmSpec`."""
    judge = _settings(study).judges[name]
    sha256 = fingerprint.file_hash(Path(judge.template)) if judge.template else None
    # The highest rate of unparsed labels is a setting of the stage that counts them.
    source = values(judge, *ACCESS, "max_unparsed_rate")
    return {
        "source": HarmJudgeSpec(**source, name=f"judge {name}", template_sha256=sha256),
        "texts": judge_texts(judge.by),
        "engine": engine(study, judge.model),
        "base": None if judge.endpoint else base(study, judge.model),
    }


def _labelled(study: Study) -> dict[str, str | None]:
    path = _settings(study).human_labels
    return {"labelled": path, "sha256": fingerprint.file_hash(Path(path)) if path else None}


def attempts(study: Study) -> int:
    """Returns the number of requests to a cell, plain and under attack."""
    robustness = study.config.probes.robustness
    return attacks.count(robustness) if robustness else 0


def attack_texts(study: Study) -> Texts:
    """Returns hashes of the attack templates. Raises ConfigError for one that is missing."""
    robustness = study.config.probes.robustness
    names = attacks.template_names(robustness.attacks) if robustness else []
    return texts(*(f"attacks/{name}.txt" for name in names))


def judge_texts(by: str) -> Texts:
    """Returns hashes of the prompts of a kind of judge."""
    from manybaskets.probes.robustness import judges  # it imports the client of engines

    return texts(*(f"judges/{name}.txt" for name in judges.text_names(by)))
