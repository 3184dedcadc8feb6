"""Diverged generations: outputs contain the reason, and later steps copy it."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli import main
from manybaskets.config import validation
from manybaskets.dag.graph import Graph, Job
from manybaskets.data import divergence
from manybaskets.files import read_json, write_json
from manybaskets.metrics import measurement
from manybaskets.study.layout import Study
from tests.support.jobs import job_of

REASON = "generation 1 of replace (wren, seed 1): none of its 40 responses can be used"


@pytest.fixture
def graph(study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    monkeypatch.chdir(tmp_path)
    study_config["mixes"]["replace"] = {"origins": {"human": 1}, "loop": {"generations": 3}}
    return Graph(Study(validation.load(study_config, "micro.yaml")))


def run(graph: Graph, job: Job, command: Any) -> None:
    main.run(argparse.Namespace(run=command), (graph, job))


def refuse(_: argparse.Namespace) -> None:
    raise AssertionError("a step was run on what diverged")


def diverge(_: argparse.Namespace) -> None:
    raise divergence.Diverged("none of its 40 responses can be used")


@pytest.mark.parametrize("folder", [True, False])
def test_a_mark_is_read_back(tmp_path: Path, folder: bool) -> None:
    divergence.mark(tmp_path / "made", REASON, folder)
    assert divergence.reason(tmp_path / "made") == REASON
    assert divergence.first_reason([str(tmp_path / "none"), str(tmp_path / "made")]) == REASON


def test_contents_are_no_marks(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    write_json(tmp_path / "a.json", {"diverged": "indented, as no mark is"})
    (tmp_path / "b.parquet").write_bytes(b"\xff\xfe\x00PAR1")
    for name in ("adapter", "a.json", "b.parquet", "missing"):
        assert divergence.reason(tmp_path / name) is None


def test_a_step_that_diverges_marks_its_outputs_and_what_follows_says_the_same(
    graph: Graph,
) -> None:
    write = job_of("loop_generate", "wren/replace/seed=1/generation=1")
    run(graph, write, diverge)
    following = [
        job_of(stage, f"wren/replace/seed=1/generation={generation}")
        for generation in (2, 3)
        for stage in ("loop_mix", "train", "sample_responses", "score_likelihood", "collapse")
        + (("loop_generate",) if generation < 3 else ())
    ]
    for job in sorted(following, key=list(graph.jobs()).index):
        run(graph, job, refuse)
        for output in graph.outputs(job):
            assert divergence.reason(Path(output)) == REASON


def test_restricted_products_of_what_diverged_are_readable_by_their_owner_only(
    graph: Graph,
) -> None:
    run(graph, job_of("run_attacks", "wren/replace/seed=1/generation=1"), diverge)
    place = Path(graph.study.root, "cells/wren/replace/seed=1/generation=1/restricted")
    assert place.stat().st_mode & 0o077 == 0


def test_outside_of_loops_what_diverges_fails(graph: Graph) -> None:
    with pytest.raises(divergence.Diverged):
        run(graph, job_of("train", "wren/human/seed=1"), diverge)


def test_findings_say_what_diverged_and_leave_other_cells_alone(tmp_path: Path) -> None:
    divergence.mark(tmp_path / "1" / "collapse.json", REASON, folder=False)
    found = measurement.Measurement("collapse", "self_bleu", "test", 0.5, 10)
    (tmp_path / "2").mkdir()
    write_json(tmp_path / "2" / "collapse.json", {"measurements": measurement.to_json([found])})
    cell = {"study": "micro", "target": "wren", "mix": "replace", "seed": 1}
    table = measurement.gather(
        [({**cell, "generation": t}, tmp_path / str(t) / "collapse.json") for t in (1, 2)]
    )
    assert table["metric"].tolist() == ["diverged", "self_bleu"]
    assert table["note"].tolist() == [REASON, ""]
    assert read_json(tmp_path / "2" / "collapse.json")["measurements"]
