"""Costs of jobs: measured where an earlier job was measured, modelled otherwise."""

import re
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.people import plan
from manybaskets.config import validation
from manybaskets.config.models import Scratch
from manybaskets.dag.costs import START_OF_COPY, Estimates
from manybaskets.dag.graph import Graph
from manybaskets.dag.invalidation import Reruns
from manybaskets.models import architectures
from manybaskets.probes.preference import questions
from manybaskets.stages import machine_speed
from manybaskets.stages.cost_model import ENGINE_START, _scratch_weights
from manybaskets.stages.machine_speed import Speed
from manybaskets.study.layout import Study
from tests.support.jobs import job_of

TRAIN = job_of("train", "wren/human/seed=1")


@pytest.fixture(autouse=True)
def _assumed_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "of_this_machine", lambda: machine_speed.ASSUMED)


def estimates(
    config: dict[str, Any],
    measured: dict[str, list[tuple[float, int]]] | None = None,
    on_gpus: bool = False,
) -> Estimates:
    graph = Graph(Study(validation.load(config, "micro.yaml")))
    reruns = Reruns(graph)
    reruns.measured.update(measured or {})
    return Estimates(graph, reruns, on_gpus)


def test_a_stage_that_has_run_costs_what_it_cost(study_config: dict[str, Any]) -> None:
    found = estimates(study_config, {"train": [(10.0, 100), (20.0, 300)]}).of(TRAIN)
    assert found == (15.0, 200, True)


def test_twice_the_epochs_are_modelled_as_twice_the_work(study_config: dict[str, Any]) -> None:
    work = []
    for epochs in (2, 4):
        study_config["training"] = {"epochs": epochs}
        found = estimates(study_config)
        found.model.__dict__["speed"] = Speed(1e8, {"float32": 1e8}, 1e10, 1.0)
        seconds = found.of(TRAIN).seconds
        assert seconds is not None
        work.append(seconds - START_OF_COPY)
    assert work[1] == pytest.approx(2 * work[0])


def test_only_the_first_job_of_a_model_pays_for_its_engine(study_config: dict[str, Any]) -> None:
    found = estimates(study_config)
    first, second = (
        found.of(job_of("sample_responses", f"wren/human/seed={seed}")) for seed in (1, 2)
    )
    assert first.seconds is not None and second.seconds is not None
    assert first.seconds - second.seconds == pytest.approx(20.0)


def test_a_model_that_is_not_here_has_no_estimate(
    study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study_config["models"]["lark"] = {"hub": "org/lark", "revision": "0" * 40}
    study_config["targets"] = ["lark"]
    assert estimates(study_config).of(job_of("train", "lark/human/seed=1")).seconds is None


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 8e9),
        ("google/gemma-2-9b-it", 9e9),
        ("Qwen/Qwen2.5-0.5B", 0.5e9),
        ("HuggingFaceTB/SmolLM2-135M", 135e6),
        ("mistralai/Mixtral-8x7B-v0.1", 56e9),
        ("8b-labs/parrot", None),
        ("microsoft/phi-4", None),
        ("bigscience/bloom-7b1", None),
    ],
)
def test_the_size_of_a_model_that_is_not_here_may_be_read_from_its_name(
    study_config: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    weights: float | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    study_config["models"]["lark"] = {"hub": name, "revision": "0" * 40}
    study_config["targets"] = ["lark"]
    found = estimates(study_config)
    fetched = found.of(job_of("download_model", "lark"))
    if weights is None:
        assert fetched.seconds is None and not found.named
    else:
        assert fetched.bytes == 2 * weights and found.named == {"lark": weights}


def test_gpus_of_a_job_share_its_work(study_config: dict[str, Any]) -> None:
    study_config["models"]["wren"]["scratch"] |= {"hidden": 8192, "layers": 32, "heads": 64}
    jobs = [
        job_of(stage, "wren/human/seed=1")
        for stage in ("train", "sample_responses", "judge_pairs", "score_likelihood")
    ]
    one = estimates(study_config, on_gpus=True)
    study_config |= {
        "training": {"devices": 4},
        "engine": {"devices": 3, "per_model": {"wren": {"devices": 2}}},
    }
    many = estimates(study_config, on_gpus=True)
    assert [many.devices(job) for job in jobs] == [4, 2, 2, 1]
    for job in jobs:
        alone, shared = one.of(job).seconds, many.of(job).seconds
        assert alone is not None and shared is not None
        start = job.stage.start_seconds + ENGINE_START["gpu"] * (job.name == "sample_responses")
        assert (shared - start) * many.devices(job) == pytest.approx(alone - start, rel=0.01)


@pytest.mark.parametrize(
    ("verifier", "devices"),
    [
        ({"by": "reference", "accept": 0.5}, 1),
        ({"by": "likelihood", "model": "finch"}, 1),
        ({"by": "judge", "source": "finch"}, 2),
    ],
)
def test_a_verifier_holds_gpus_of_an_engine_where_it_is_a_judge(
    study_config: dict[str, Any], verifier: dict[str, Any], devices: int
) -> None:
    study_config["engine"] = {"devices": 2}
    study_config["mixes"]["best"] = {
        "origins": {"wren": 1.0},
        "select": {"top": 0.5, "verifier": verifier},
    }
    found = estimates(study_config, on_gpus=True)
    assert found.devices(job_of("score_responses", "best/seed=1")) == devices


def test_without_gpus_a_job_holds_the_cpu(study_config: dict[str, Any]) -> None:
    study_config["training"] = {"devices": 4, "batch_size": 8}
    assert estimates(study_config).devices(TRAIN) == 1


def test_a_plan_lists_the_jobs_without_an_estimate(
    study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study_config["models"]["lark"] = {"hub": "org/lark", "revision": "0" * 40}
    study_config["targets"] = ["wren", "lark"]
    found = estimates(study_config, on_gpus=True)
    score = [job_of("score_likelihood", f"{target}/human/seed=1") for target in ("lark", "wren")]
    whole, partly = (
        "\n".join(plan.costs(found, due)) for due in ([job_of("download_model", "lark")], score)
    )
    assert "unknown" in whole and " 0 s" not in whole
    assert re.search(r"score_likelihood +2 +over ", partly)
    assert "Total: more than" in partly
    assert "The time is unknown for score_likelihood 1 jobs." in partly
    assert "on GPUs that make 1e+14 a second" in partly


def test_judgements_are_counted_as_they_are_requested(study_config: dict[str, Any]) -> None:
    study_config["probes"] = {"preference": {"items": 5, "control_pairs": 3, "questions": []}}
    items = [{"id": str(n), "text": f"t{n}", "request": "", "human": f"h{n}"} for n in range(10)]
    answers = {
        name: [{"id": str(n), "response": f"{name}{n}"} for n in range(10)]
        for name in study_config["sources"]
    }
    candidates = questions.candidates_of(items, answers, 5)
    asked = [*questions.pairs(candidates), *questions.controls(items, 3)]
    assert estimates(study_config).judgements(job_of("judge_pairs", "wren/human/seed=1")) == len(
        asked
    )


def test_judgements_of_a_study_grow_with_what_it_asks(study_config: dict[str, Any]) -> None:
    def asked(**settings: Any) -> int:
        study_config["probes"] = {"preference": {"items": 5, "control_pairs": 0, **settings}}
        return estimates(study_config).judgements(job_of("judge_pairs", "wren/human/seed=1"))

    assert asked(questions=[]) == 5 * 3 * 2
    assert asked(questions=["likelihood", "rating"]) == 5 * 3 * 2 + 2 * 5 * 3
    assert asked(questions=[], swap_labels=True) == 5 * 3 * 2 * 2
    assert asked(questions=[], pairs="vs-own") == 5 * 2 * 2
    assert asked(questions=[], pairs="sample 1") == 5 * 2
    # with vanilla, human, single and multi
    assert asked(questions=[], cells=True) == 5 * 7 * 6


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(architectures.FAMILIES))
def test_weights_of_scratch_models_are_about_right(family: str) -> None:
    scratch = Scratch(family=family, documentation=["stdlib"])  # type: ignore[arg-type]
    sizes = {name: getattr(scratch, name) for name in ("vocabulary", "hidden", "layers", "heads")}
    model = architectures.build(family, context=512, **sizes)
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert _scratch_weights(scratch) == pytest.approx(weights, rel=0.15)


def test_responses_to_select_from_are_counted(study_config: dict[str, Any]) -> None:
    job = job_of("generate", "wren/seed=1")
    study_config["mixes"] = {"single": {"origins": {"wren": 1.0}}}
    alone = estimates(study_config).tokens(job)
    study_config["mixes"]["best"] = {
        "origins": {"human": 0.5, "wren": 0.5},
        "select": {"best_of": 4, "verifier": {"by": "judge", "source": "finch"}},
    }
    found = estimates(study_config)
    # all 40 prompts once; of the half that the second mix gives it, three more each
    assert found.tokens(job) == alone * (40 + 20 * 3) / 40
    assert found.judgements(job_of("score_responses", "best/seed=1")) == 20 * 4


@pytest.mark.parametrize(
    "verifier",
    [
        {"by": "likelihood", "model": "finch"},
        {"by": "judge", "source": "finch"},
        {"by": "reference"},
    ],
)
def test_verifiers_cost_more_for_more_responses(
    study_config: dict[str, Any], verifier: dict[str, str]
) -> None:
    seconds = []
    for number in (200, 2000):
        study_config["mixes"]["best"] = {
            "origins": {"wren": 1.0},
            "select": {"best_of": number, "verifier": verifier},
        }
        found = estimates(study_config)
        found.model.__dict__["speed"] = Speed(1e8, {"float32": 1e8}, 1e10, 1.0)
        seconds.append(found.of(job_of("score_responses", "best/seed=1")).seconds or 0.0)
    assert seconds[1] - 2 == pytest.approx(10 * (seconds[0] - 2))


def test_an_accumulating_loop_costs_more_with_every_generation(
    study_config: dict[str, Any],
) -> None:
    study_config["mixes"] = {
        name: {
            "origins": {"human": 1.0},
            "loop": {"generations": 4, "regime": name, "human": 0.25},
        }
        for name in ("accumulate", "replace", "accumulate-subsample")
    }
    found = estimates(study_config)
    found.model.__dict__["speed"] = Speed(1e8, {"float32": 1e8}, 1e10, 1.0)

    def work(mix: str, generation: int) -> float:
        seconds = found.of(job_of("train", f"wren/{mix}/seed=1/generation={generation}")).seconds
        assert seconds is not None
        return seconds - START_OF_COPY

    grown = [work("accumulate", t) / work("accumulate", 1) for t in (2, 3, 4)]
    assert grown == pytest.approx([2, 3, 4])
    for mix in ("replace", "accumulate-subsample"):
        assert work(mix, 4) == work(mix, 1)
    write = job_of("loop_generate", "wren/replace/seed=1/generation=3")
    assert found.tokens(write) == 30 * 80  # of 40 rows a quarter are human
    assert found.of(write).bytes == 30 * 500


def test_what_a_loop_selects_from_is_counted(study_config: dict[str, Any]) -> None:
    study_config["mixes"] = {
        "best": {
            "origins": {"human": 1.0},
            "select": {"best_of": 4, "verifier": "length"},
            "loop": {"generations": 2},
        }
    }
    found = estimates(study_config)
    assert found.tokens(job_of("loop_generate", "wren/best/seed=1/generation=1")) == 40 * 4 * 80
    verify = found.of(job_of("score_responses", "loop/wren/best/seed=1/generation=1"))
    assert verify.bytes == 40 * 4 * 500


def test_a_slow_machine_needs_more_time_for_all_that_its_cpu_does(
    study_config: dict[str, Any],
) -> None:
    study_config["models"]["wren"]["scratch"]["tokens"] = 100_000_000
    jobs = [
        job_of("pretrain", "wren"),
        job_of("train", "wren/human/seed=1"),
        job_of("sample_responses", "wren/human/seed=1"),
        job_of("judge_pairs", "wren/human/seed=1"),
    ]
    fast = Speed(5e10, {"float32": 1e11}, 2e10, 1.0)
    slow = Speed(5e9, {"float32": 1e10}, 2e9, 10.0)
    seconds = []
    for speed in (fast, slow):
        found = estimates(study_config)
        found.model.__dict__["speed"] = speed
        seconds.append([cost(found, job) for job in jobs])
    for quick, slower in zip(*seconds, strict=True):
        assert slower == pytest.approx(10 * quick)


def test_a_wide_model_uses_the_speed_of_wide_products(study_config: dict[str, Any]) -> None:
    model = estimates(study_config).model
    model.__dict__["speed"] = Speed(1e10, {"float32": 1e11, "bfloat16": 4e11}, 1e10, 1.0)
    assert model.rate("wren") == pytest.approx(1e10)
    assert model.rate("wren", threads=2) == pytest.approx(2e10)
    model.width = lambda _: 4096  # type: ignore[method-assign]
    assert model.rate("wren") == pytest.approx(0.5e11)
    assert model.rate("wren", dtype="bfloat16") == pytest.approx(2e11)


def cost(found: Estimates, job: Any) -> float:
    """The modelled seconds of a job's own work."""
    seconds = job.stage.cost(found.model, job.key).seconds
    assert seconds is not None
    return float(seconds)
