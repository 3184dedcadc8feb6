"""The jobs of a study: inputs, outputs and order."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from manybaskets.config import validation
from manybaskets.config.base import VANILLA
from manybaskets.dag.graph import Graph
from manybaskets.dag.invalidation import Reruns
from manybaskets.stages.registry import STAGES
from manybaskets.study import keys
from manybaskets.study.layout import Study
from tests.support.jobs import job_of


@pytest.fixture
def graph(study_config: dict[str, Any]) -> Graph:
    study_config["models"]["lark"] = {"hub": "org/lark", "revision": "0" * 40}
    study_config["sources"]["lark"] = {"model": "lark"}
    study_config["targets"] = ["wren", "lark"]
    study_config["mixes"]["third"] = {"origins": {"lark": 1.0}}
    study_config["mixes"]["best"] = {
        "origins": {"wren": 1.0},
        "select": {"best_of": 2, "verifier": {"by": "likelihood", "model": "finch"}},
    }
    robustness = {"requests": ["strongreject"], "attacks": ["gcg"]}
    robustness |= {"judges": {"rubric": {"model": "lark"}}, "human_labels": "people.jsonl"}
    study_config["probes"] = {"robustness": robustness, "preference": {"cells": True}}
    study_config["probes"]["preference"]["judges"] = {"judge": {"model": "lark"}}
    return Graph(Study(validation.load(study_config, "micro.yaml")))


def test_every_output_is_made_by_the_job_that_has_it(graph: Graph) -> None:
    for job in graph.jobs():
        assert [graph.producer(path) for path in graph.outputs(job)] == [job] * len(
            job.stage.outputs
        )


def test_every_input_is_made_by_a_job(graph: Graph) -> None:
    jobs = set(graph.jobs())
    for job in jobs:
        for path in graph.files(job):
            assert graph.producer(path) in jobs, path


def test_inputs_come_first_and_every_job_once(graph: Graph) -> None:
    jobs = list(graph.jobs())
    places = {job: place for place, job in enumerate(jobs)}
    assert len(places) == len(jobs)
    for job in jobs:
        assert all(places[needed] < places[job] for needed in graph.producers(job))


def test_every_stage_has_its_jobs(graph: Graph) -> None:
    counts = dict.fromkeys(STAGES, 0)
    for job in graph.jobs():
        counts[job.name] += 1
    cells = len(graph.study.cells)
    tuned = sum(cell.mix != VANILLA for cell in graph.study.cells)
    assert counts["train"] == tuned == 2 * 5 * 2
    assert (
        counts["sample_responses"]
        == counts["collapse"]
        == counts["judge_pairs"]
        == counts["cell_candidates"]
        == cells
    )
    assert counts["pretrain"] == 2
    assert counts["download_model"] == 1
    assert counts["generate"] == 3 * 2
    assert counts["score_responses"] == counts["select"] == counts["verifier_quality"] == 2
    assert counts["judge_harm"] == cells
    assert counts["external_judge"] == len(graph.study.config.seeds)
    assert counts["optimise_suffixes"] == len(graph.study.config.targets)
    assert counts["download_requests"] == counts["judge_labelled"] == 1
    absent = {"loop_generate", "loop_mix", "measure_responses", "download_file"}
    assert {stage for stage, count in counts.items() if count == 0} == absent


def test_a_target_needs_only_what_leads_to_it(graph: Graph) -> None:
    path = graph.study.path("cells/wren/human/seed=1/collapse.json")
    jobs = list(graph.jobs(path))
    assert jobs[-1] == job_of("collapse", "wren/human/seed=1")
    assert {job.name for job in jobs} == {
        *("collect_docstrings", "prepare_dataset", "train_tokenizer", "pretrain", "build_mix"),
        *("train", "sample_responses", "score_likelihood", "embed_reference", "collapse"),
    }


def test_a_selection_runs_between_sources_and_mix(graph: Graph) -> None:
    mix = job_of("build_mix", "best/seed=1")
    assert job_of("select", "best/seed=1") in graph.producers(mix)
    assert job_of("generate", "wren/seed=1") not in graph.producers(mix)
    verify = graph.producers(job_of("score_responses", "best/seed=1"))
    assert {job_of("generate", "wren/seed=1"), job_of("pretrain", "finch")} <= set(verify)
    assert "selections/best/seed=1.json" in " ".join(graph.files(job_of("findings")))


def test_an_external_judge_reads_all_cells_of_a_seed(graph: Graph) -> None:
    job = job_of("external_judge", "judge/seed=2")
    cells = graph.inputs(job)["cells"]
    assert len(cells) == 2 * 6 and all("seed=2/candidates.jsonl" in path for path in cells)
    assert job_of("download_model", "lark") in graph.producers(job)
    assert job in graph.producers(job_of("compare_judges"))


def test_where_no_cell_writes_other_judges_judge_once(study_config: dict[str, Any]) -> None:
    study_config["probes"] = {"preference": {"judges": {"judge": {"model": "finch"}}}}
    study = Study(validation.load(study_config, "micro.yaml"))
    assert study.external_judge_seeds() == study.config.seeds[:1]
    assert study.external_judge_origin("judge") == "finch"


def test_the_path_of_a_record_identifies_its_job(graph: Graph) -> None:
    for job in graph.jobs():
        assert graph.recorded(Path(graph.record(job))) == job
        assert keys.parsed(job.stage.key, keys.wildcards(job.key)) == job.key


def test_one_model_s_work_goes_before_another_s(graph: Graph) -> None:
    wren, lark = (
        job_of("sample_responses", f"{target}/human/seed=1") for target in ("wren", "lark")
    )
    assert graph.priority(wren) > graph.priority(lark)
    assert graph.priority(lark) > graph.priority(job_of("train", "wren/human/seed=1"))


def test_what_comes_from_outside_has_no_producer(graph: Graph) -> None:
    assert graph.producer("human.jsonl") is None
    assert graph.producer("results/other/data/train.jsonl") is None
    assert graph.producer("results/micro/models/owl") is None


LOOPS = {
    "replace": {"origins": {"human": 1}, "loop": {"generations": 3, "regime": "replace"}},
    "pooled": {
        "origins": {"wren": 1},
        "select": {"best_of": 2, "verifier": "length"},
        "loop": {"generations": 3, "regime": "accumulate-subsample", "sources": "targets"},
    },
}


def with_loops(raw: dict[str, Any], **changes: Any) -> Graph:
    mixes = copy.deepcopy(LOOPS)
    mixes["replace"]["loop"] |= changes
    everything = {**copy.deepcopy(raw), "targets": ["wren", "finch"]}
    everything["mixes"] = raw["mixes"] | mixes
    return Graph(Study(validation.load(everything, "micro.yaml")))


def test_generations_are_cells_of_a_chain(study_config: dict[str, Any]) -> None:
    graph = with_loops(study_config)
    jobs = list(graph.jobs())
    for job in jobs:
        assert graph.recorded(Path(graph.record(job))) == job
        assert {graph.producer(path) for path in graph.outputs(job)} == {job}
    cells = [cell for cell in graph.study.cells if cell.mix == "replace"]
    assert [cell.generation for cell in cells[:3]] == [1, 2, 3]
    assert cells[2].path == "cells/wren/replace/seed=1/generation=3"
    assert job_of("collapse", "wren/replace/seed=1/generation=3") in jobs
    written = [job for job in jobs if job.name == "loop_generate" and job.key.mix == "replace"]
    assert len(written) == 2 * 2 * 2  # no model is trained on text of the last generation


def test_a_generation_is_made_from_what_the_one_before_wrote(
    study_config: dict[str, Any],
) -> None:
    graph = with_loops(study_config)
    made = graph.producers(job_of("loop_mix", "wren/replace/seed=2/generation=3"))
    assert job_of("loop_generate", "wren/replace/seed=2/generation=2") in made
    assert not [job for job in made if job.name == "build_mix"]
    pool = graph.producers(job_of("loop_mix", "wren/pooled/seed=2/generation=3"))
    assert [job for job in pool if job.name == "select"] == [
        job_of("select", f"loop/{target}/pooled/seed=2/generation={t}")
        for t in (1, 2)
        for target in ("wren", "finch")
    ]
    assert job_of("build_mix", "pooled/seed=2") in pool
    assert (
        graph.producers(job_of("train", "wren/pooled/seed=2/generation=1"))[-1].name == "build_mix"
    )


def test_loops_after_a_mix_share_its_cells_as_their_first_generation(
    study_config: dict[str, Any],
) -> None:
    graph = with_loops(study_config, after="human")
    jobs = list(graph.jobs())
    for job in jobs:
        assert {graph.producer(path) for path in graph.outputs(job)} == {job}
    cells = [cell for cell in graph.study.cells if cell.mix == "replace" and cell.seed == 2]
    assert [cell.generation for cell in cells] == [2, 3, 2, 3]
    write = job_of("loop_generate", "wren/replace/seed=2/generation=1")
    assert job_of("train", "wren/human/seed=2") in graph.producers(write)
    assert not [job for job in jobs if job.name == "build_mix" and job.key.mix == "replace"]
    best = LOOPS["pooled"]["select"]
    selected = list(
        with_loops(
            {
                **study_config,
                "mixes": {
                    **study_config["mixes"],
                    "best": {
                        "origins": {"human": 1},
                        "select": best,
                        "loop": {"generations": 3, "after": "human"},
                    },
                },
            }
        ).jobs()
    )
    assert job_of("verifier_quality", "loop/wren/best/seed=2/generation=1") in selected
    assert job_of("verifier_quality", "loop/wren/best/seed=2/generation=3") not in selected
    everything = with_loops(study_config, after="human", regime="accumulate")
    pool = everything.producers(job_of("loop_mix", "wren/replace/seed=2/generation=3"))
    assert job_of("build_mix", "human/seed=2") in pool


def fingerprints(graph: Graph) -> dict[str, str]:
    reruns = Reruns(graph)
    return {job.path: reruns.fingerprint(job) for job in graph.jobs()}


def of_generation(paths: Iterable[str], generation: int) -> set[str]:
    return {path for path in paths if path.endswith(f"generation={generation}")}


def test_raising_the_generations_reruns_no_cell_that_is_there(
    study_config: dict[str, Any],
) -> None:
    before = fingerprints(with_loops(study_config))
    after = fingerprints(with_loops(study_config, generations=5))
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"compare_judges", "findings", "figures", "report"}
    new = after.keys() - before.keys()
    cells = {path for path in new if not path.startswith("loop_generate/")}
    assert cells == of_generation(cells, 4) | of_generation(cells, 5)
    writes = new - cells
    assert writes == of_generation(writes, 3) | of_generation(writes, 4)


@pytest.mark.parametrize(
    "changes", [{"temperature": 0.3}, {"human": 0.5}, {"regime": "accumulate"}]
)
def test_changing_a_generation_reruns_none_before_it(
    study_config: dict[str, Any], changes: dict[str, Any]
) -> None:
    before = fingerprints(with_loops(study_config, generations=4))
    after = fingerprints(with_loops(study_config, generations=4, overrides={3: changes}))
    assert before.keys() == after.keys()
    changed = {path for path in before if before[path] != after[path]} - {
        *("compare_judges", "findings", "figures", "report"),
    }
    asks_otherwise = {"regime"}.isdisjoint(changes)
    # what generation 3 is trained on is written by the model of generation 2, which stays
    expected = {
        path
        for path in before
        if "/replace/" in path
        and (
            path.endswith(("generation=3", "generation=4"))
            or (
                path.startswith("loop_generate/")
                and path.endswith("generation=2")
                and asks_otherwise
            )
        )
    }
    assert changed == expected


def test_adding_a_loop_reruns_no_cell_of_another_mix(
    study_config: dict[str, Any],
) -> None:
    both = study_config | {"targets": ["wren", "finch"]}
    without = Graph(Study(validation.load(both, "micro.yaml")))
    before, after = fingerprints(without), fingerprints(with_loops(study_config))
    shared = {
        path
        for path in before
        if path.startswith(("train/", "score_likelihood/", "sample_responses/"))
    }
    assert {path for path in shared if before[path] != after[path]} == set()
