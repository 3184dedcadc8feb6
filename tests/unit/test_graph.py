"""The jobs of a study: who makes what, and in which order."""

from pathlib import Path
from typing import Any

import pytest

from manybaskets import validation
from manybaskets.config import VANILLA
from manybaskets.graph import OUTPUTS, WILDCARDS, Graph, Job
from manybaskets.study import Study


@pytest.fixture
def graph(study_config: dict[str, Any]) -> Graph:
    study_config["models"]["lark"] = {"hub": "org/lark", "revision": "0" * 40}
    study_config["sources"]["lark"] = {"model": "lark"}
    study_config["targets"] = ["wren", "lark"]
    study_config["mixes"]["third"] = {"origins": {"lark": 1.0}}
    study_config["mixes"]["best"] = {
        "origins": {"wren": 1.0},
        "select": {"best-of": 2, "verifier": {"by": "likelihood", "model": "finch"}},
    }
    robustness = {"requests": ["strongreject"], "attacks": ["gcg"]}
    robustness |= {"judges": {"rubric": {"model": "lark"}}, "labelled": "people.jsonl"}
    study_config["probes"] = {"robustness": robustness, "preference": {"cells": True}}
    study_config["probes"]["preference"]["judges"] = {"judge": {"model": "lark"}}
    return Graph(Study(validation.load(study_config, "micro.yaml")))


def test_every_output_is_made_by_the_job_that_has_it(graph: Graph) -> None:
    for job in graph.jobs():
        assert [graph.producer(path) for path in graph.outputs(job)] == [job] * len(
            OUTPUTS[job.stage]
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
    counts = dict.fromkeys(OUTPUTS, 0)
    for job in graph.jobs():
        counts[job.stage] += 1
    cells = len(graph.study.cells)
    tuned = sum(cell.mix != VANILLA for cell in graph.study.cells)
    assert counts["train"] == tuned == 2 * 5 * 2
    assert counts["respond"] == counts["collapse"] == counts["judge"] == counts["answer"] == cells
    assert counts["pretrain"] == 2
    assert counts["fetch"] == 1
    assert counts["generate"] == 3 * 2
    assert counts["verify"] == counts["select"] == counts["verification"] == 2
    assert counts["label"] == cells
    assert counts["consult"] == len(graph.study.config.seeds)
    assert counts["optimise"] == len(graph.study.config.targets)
    assert counts["bring"] == counts["calibrate"] == 1
    assert all(counts.values())


def test_a_target_needs_only_what_leads_to_it(graph: Graph) -> None:
    path = graph.study.path("cells/wren/human/seed=1/collapse.json")
    jobs = list(graph.jobs(path))
    assert jobs[-1] == Job("collapse", ("wren", "human", "1"))
    assert {job.stage for job in jobs} == {
        *("documentation", "dataset", "tokenizer", "pretrain", "mix"),
        *("train", "score", "respond", "mirror", "reference", "embed", "collapse"),
    }


def test_a_selection_stands_between_sources_and_mix(graph: Graph) -> None:
    mix = Job("mix", ("best", "1"))
    assert Job("select", ("best", "1")) in graph.producers(mix)
    assert Job("generate", ("wren", "1")) not in graph.producers(mix)
    verify = graph.producers(Job("verify", ("best", "1")))
    assert {Job("generate", ("wren", "1")), Job("pretrain", ("finch",))} <= set(verify)
    assert "selections/best/seed=1.json" in " ".join(graph.files(Job("findings", ())))


def test_a_judge_that_is_no_cell_reads_all_cells_of_a_seed(graph: Graph) -> None:
    job = Job("consult", ("judge", "2"))
    cells = graph.inputs("consult", **job.wildcards)["cells"]
    assert len(cells) == 2 * 6 and all("seed=2/candidates.jsonl" in path for path in cells)
    assert Job("fetch", ("lark",)) in graph.producers(job)
    assert job in graph.producers(Job("opinions", ()))


def test_where_no_cell_writes_other_judges_judge_once(study_config: dict[str, Any]) -> None:
    study_config["probes"] = {"preference": {"judges": {"judge": {"model": "finch"}}}}
    study = Study(validation.load(study_config, "micro.yaml"))
    assert study.outsider_seeds() == study.config.seeds[:1]
    assert study.outsider_origin("judge") == "finch"


def test_a_record_s_place_tells_its_job(graph: Graph) -> None:
    for job in graph.jobs():
        assert graph.recorded(Path(graph.record(job))) == job
        assert set(job.wildcards) == set(WILDCARDS[job.stage])


def test_one_model_s_work_goes_before_another_s(graph: Graph) -> None:
    wren, lark = (Job("respond", (target, "human", "1")) for target in ("wren", "lark"))
    assert graph.priority(wren) > graph.priority(lark)
    assert graph.priority(lark) > graph.priority(Job("train", ("wren", "human", "1")))


def test_what_comes_from_outside_has_no_producer(graph: Graph) -> None:
    assert graph.producer("human.jsonl") is None
    assert graph.producer("results/other/data/train.jsonl") is None
    assert graph.producer("results/micro/models/owl") is None
