"""Another workflow uses this one as a module, with rules of its own before and after."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.support.paths import ROOT

SNAKEFILE = """
configfile: "ours.yaml"

module mb:
    snakefile: {snakefile!r}
    config: config["baskets"]

use rule * from mb as mb_*

rule all:
    default_target: True
    input: "count.txt"

rule count:
    input: "results/micro/data/documentation.jsonl"
    output: "count.txt"
    shell: "wc --lines < {{input}} > {{output}}"

rule summary:
    input: "results/micro/findings/measurements.csv"
    output: "summary.txt"
    shell: "head -1 {{input}} > {{output}}"
"""


def workflow(folder: Path, snakefile: str = str(ROOT / "Snakefile"), **changes: object) -> Path:
    """A workflow with the micro study's config in a part of its own."""
    micro = yaml.safe_load((ROOT / "tests/workflow/micro.yaml").read_text(encoding="utf-8"))
    (folder / "ours.yaml").write_text(yaml.safe_dump({"baskets": micro | changes}, sort_keys=False))
    (folder / "Snakefile").write_text(SNAKEFILE.format(snakefile=snakefile))
    return folder


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        check=False,
    )


def due(folder: Path, *targets: str) -> set[str]:
    """The rules of the jobs that a dry run lists."""
    done = run(folder, "--dry-run", *targets)
    assert done.returncode == 0, done.stdout
    return set(re.findall(r"^(?:local)?rule (\w+):", done.stdout, re.MULTILINE))


def test_a_study_runs_as_a_module_and_reruns_nothing(tmp_path: Path) -> None:
    folder = workflow(tmp_path)
    assert due(folder) == {"mb_collect_docstrings", "count", "all"}
    done = run(folder)
    assert done.returncode == 0, done.stdout
    rows = len((folder / "results/micro/data/documentation.jsonl").read_text().splitlines())
    assert (folder / "count.txt").read_text() == f"{rows}\n"
    assert due(folder) == set()
    (folder / "results/micro/data/documentation.jsonl").touch()
    assert due(folder) == set()


def test_a_finished_study_holds_in_another_workflow(micro: Path, tmp_path: Path) -> None:
    shutil.copytree(micro / "results", tmp_path / "results")
    folder = workflow(tmp_path)
    assert due(folder, "results/micro/report.html") == set()
    assert due(folder, "summary.txt") == {"summary"}
    workflow(tmp_path, question="Another?")
    assert due(folder, "results/micro/report.html") == {"mb_report"}
    workflow(tmp_path, mixes={"human": {"origins": {"human": 1}}})
    changed = due(folder, "summary.txt")
    assert {"mb_findings", "summary"} <= changed
    assert not {"mb_train", "mb_generate", "mb_sample_responses", "mb_score_likelihood"} & changed


def test_another_directory_gets_the_results(tmp_path: Path) -> None:
    folder = workflow(tmp_path)
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    shutil.copy(folder / "ours.yaml", elsewhere)
    done = run(folder, "--directory", str(elsewhere))
    assert done.returncode == 0, done.stdout
    assert (elsewhere / "results/micro/data/documentation.jsonl").is_file()
    assert not (folder / "results").exists()


def test_a_snakefile_without_its_package_says_what_to_do(tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(ROOT / "Snakefile", alone)
    done = run(workflow(tmp_path, snakefile=str(alone / "Snakefile")), "--dry-run")
    assert done.returncode != 0
    assert "git clone" in done.stdout and "snakefile:" in done.stdout
