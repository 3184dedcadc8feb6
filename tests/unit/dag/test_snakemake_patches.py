"""Every replaced internal of Snakemake, in small workflows that Snakemake parses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from manybaskets.dag import locks
from manybaskets.dag.graph import Graph
from manybaskets.dag.preflight import study_of
from tests.bench.scale import fabricate, write_study
from tests.support.paths import ROOT

CELL = "results/scale/cells/model-0/mix-0/seed=1"
MODULE = f"""
configfile: "scale.yaml"

module mb:
    snakefile: {str(ROOT / "Snakefile")!r}
    config: config

use rule * from mb as mb_*
"""
TABLE = """
rule table:
    default_target: True
    input: "results/scale/findings/measurements.csv"
    output: "table.txt"
    shell: "cp {input} {output}; echo made >> {output}"
"""
MODEL = """
rule model:
    output: directory("models/model-0")
    shell:
        "mkdir {output}; cp models/model-1/c* {output}; echo made > {output}/model.safetensors"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of four cells of which every job has finished; its results are made up."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 2, 1, 1, ["collapse"])
    fabricate(Graph(study_of(["scale.yaml"], [])))
    return tmp_path


def snakemake(
    *arguments: str, snakefile: Path = ROOT / "Snakefile", before: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run Snakemake in a new interpreter, after a line of Python."""
    command = f"import sys\n{before}\nfrom snakemake.cli import main\nmain(sys.argv[1:])"
    return subprocess.run(
        [
            *(sys.executable, "-c", command, "--snakefile", str(snakefile), "--cores", "1"),
            *("--configfile=scale.yaml", *arguments),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )


def due(*arguments: str, snakefile: Path = ROOT / "Snakefile") -> set[str]:
    """The rules of the jobs that a dry run lists."""
    done = snakemake("--dry-run", "--quiet=host", *arguments, snakefile=snakefile)
    assert done.returncode == 0, done.stdout
    return set(re.findall(r"^(?:local)?rule (\w+):", done.stdout, re.MULTILINE))


def foreign(folder: Path, rules: str) -> Path:
    """A workflow that uses the study as a module, with rules of its own."""
    snakefile = folder / "Snakefile"
    snakefile.write_text(MODULE + rules, encoding="utf-8")
    return snakefile


def small(folder: Path, rules: str) -> Path:
    """A workflow of a few lines with the patches, and one rule that makes the docstrings."""
    snakefile = folder / "Snakefile"
    snakefile.write_text(
        "from manybaskets.dag import snakemake_patches as patches\n"
        "from manybaskets.dag.graph import Graph\n"
        "from manybaskets.dag.preflight import study_of\n"
        "plan = patches.plan_by_records(workflow, Graph(study_of(['scale.yaml'], [])))\n" + rules,
        encoding="utf-8",
    )
    return snakefile


# ---- which jobs run ----------------------------------------------------------------------------


@pytest.mark.slow
def test_touched_files_run_nothing(folder: Path) -> None:
    for file in folder.rglob("*.jsonl"):
        file.touch()
    assert due() == set()


@pytest.mark.slow
def test_a_lost_result_runs_its_job_and_no_other(folder: Path) -> None:
    (folder / CELL / "likelihood.json").unlink()
    assert due() == {"score_likelihood"}


@pytest.mark.slow
def test_a_forced_rule_runs_with_all_that_is_made_from_it(folder: Path) -> None:
    assert due("--forcerun", "findings") == {"findings", "figures", "report", "all"}


def test_untested_versions_name_those_that_were_tested(folder: Path) -> None:
    done = snakemake("--dry-run", before="import snakemake; snakemake.__version__ = '9.99.0'")
    assert done.returncode == 2
    assert "snakemake 9.99.0" in done.stdout and "Tested with: 9.27.*" in done.stdout


@pytest.mark.slow
def test_a_study_is_locked_before_its_records_are_read(folder: Path) -> None:
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys; from pathlib import Path; from manybaskets.dag.locks import begin;"
            "begin(Path('results/scale')); print('locked', flush=True); sys.stdin.read()",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout and holder.stdout.readline() == "locked\n"
    # the records read as if nothing was done, until the holder ends
    done = snakemake("results/scale/report.html")
    holder.communicate("", timeout=30)
    assert done.returncode == 1
    assert f"process {holder.pid}" in done.stdout
    assert locks.holder(study_of(["scale.yaml"], [])) is None
    assert snakemake("results/scale/report.html").returncode == 0


# ---- other rules in the same workflow ----------------------------------------------------------


@pytest.mark.slow
def test_records_decide_the_jobs_of_a_module_and_snakemake_those_of_other_rules(
    folder: Path,
) -> None:
    snakefile = foreign(folder, TABLE)
    assert due(snakefile=snakefile) == {"table"}
    assert snakemake(snakefile=snakefile).returncode == 0
    assert due(snakefile=snakefile) == set()
    (folder / CELL / "likelihood.json").unlink()  # made again from the same, it is the same
    assert due(snakefile=snakefile) == {"mb_score_likelihood"}
    foreign(folder, TABLE.replace("echo made", "echo again"))
    assert due(snakefile=snakefile) == {"mb_score_likelihood", "table"}


@pytest.mark.slow
def test_a_lost_result_in_the_middle_reruns_other_rules_made_from_it(folder: Path) -> None:
    snakefile = foreign(folder, TABLE)
    assert snakemake(snakefile=snakefile).returncode == 0
    (folder / "results/scale/findings/measurements.csv").unlink()
    assert due(snakefile=snakefile) == {"mb_findings", "table"}


@pytest.mark.slow
def test_jobs_made_from_files_of_other_rules_follow_them(folder: Path) -> None:
    snakefile = foreign(folder, TABLE + MODEL)
    assert snakemake("model", "--force", snakefile=snakefile).returncode == 0
    os.chdir(folder)
    changed = due("table", snakefile=snakefile)
    assert {"mb_train", "mb_sample_responses", "mb_collapse", "mb_findings", "table"} <= changed
    fabricate(Graph(study_of(["scale.yaml"], [])))
    assert due("table", snakefile=snakefile) == {"table"}
    foreign(folder, TABLE + MODEL.replace("echo made", "echo again"))
    followed = due("table", snakefile=snakefile)
    assert {"model", "mb_train", "mb_sample_responses", "mb_collapse", "mb_findings"} <= followed
    assert "mb_collect_docstrings" not in followed


def test_two_modules_with_one_name_and_two_configs_are_refused(folder: Path) -> None:
    second = MODULE.replace("module mb", "module other").replace(
        "from mb as mb_", "from other as o_"
    )
    second = second.replace("config: config", "config: dict(config, rows=300)")
    done = snakemake("--dry-run", snakefile=foreign(folder, second + TABLE))
    assert done.returncode != 0
    assert "study: scale: two modules have this name" in done.stdout


@pytest.mark.slow
def test_rules_may_be_used_again_with_other_resources(folder: Path) -> None:
    again = "use rule score_likelihood from mb as mb_score_likelihood with:\n    threads: 1\n"
    (folder / CELL / "likelihood.json").unlink()
    assert due(snakefile=foreign(folder, again + TABLE)) == {"mb_score_likelihood", "table"}


def test_a_prefix_is_refused_with_what_to_do(folder: Path) -> None:
    prefixed = MODULE.replace("config: config", 'config: config\n    prefix: "sub"')
    (folder / "Snakefile").write_text(prefixed + TABLE, encoding="utf-8")
    done = snakemake("--dry-run", snakefile=folder / "Snakefile")
    assert done.returncode != 0
    assert "module: prefix:" in done.stdout and "--directory" in done.stdout


@pytest.mark.slow
def test_commands_of_other_rules_have_no_prefix(folder: Path) -> None:
    rules = """
rule environment:
    output: "environment.txt"
    shell: "env > {output}"
"""
    snakefile = foreign(folder, rules)
    assert snakemake("environment.txt", snakefile=snakefile).returncode == 0
    assert "MANYBASKETS_RUN_PID" not in (folder / "environment.txt").read_text()


@pytest.mark.slow
def test_handlers_of_both_workflows_run(folder: Path) -> None:
    handlers = """
onstart:
    print("THEIRS STARTS")

onsuccess:
    print("THEIRS ENDS")
"""
    snakefile = foreign(folder, handlers + TABLE)
    done = snakemake(snakefile=snakefile)
    assert "THEIRS STARTS" in done.stdout and "THEIRS ENDS" in done.stdout
    assert "cells done" not in done.stdout  # none of our jobs ran
    (folder / "results/scale/data/documentation.jsonl").unlink()
    done = snakemake("results/scale/data/documentation.jsonl", snakefile=snakefile)
    assert "THEIRS STARTS" in done.stdout and "THEIRS ENDS" in done.stdout
    assert "scale: 4 of 4 cells done" in done.stdout


# ---- faster planning ---------------------------------------------------------------------------


def test_untested_versions_plan_without_speedups(folder: Path) -> None:
    snakefile = small(folder, "patches.TESTED = ('0.0',)\npatches.plan_faster(plan)\n" + TABLE)
    done = snakemake("--dry-run", snakefile=snakefile)
    assert done.returncode == 0
    assert "planning is slower than with 0.0.*" in done.stdout


@pytest.mark.slow
def test_plans_are_the_same_without_any_speedup(folder: Path) -> None:
    (folder / CELL / "likelihood.json").unlink()
    without = "from manybaskets.dag import snakemake_patches as p; p.SPEEDUPS.clear()"
    arguments = ("--dry-run", "--quiet", "host")
    with_all, with_none = snakemake(*arguments), snakemake(*arguments, before=without)
    assert with_all.returncode == with_none.returncode == 0

    def plan(text: str) -> str:
        return re.sub(r"\[.*?\]|tmpdir=\S+", "", text)

    assert plan(with_all.stdout) == plan(with_none.stdout)


@pytest.mark.slow
def test_limit_of_jobs_a_second_ends_when_jobs_start(folder: Path) -> None:
    rules = """
rule rows:
    output: "results/scale/data/documentation.jsonl"
    shell: "echo done > {output}"

onstart:
    print("BEFORE", workflow.scheduler.job_rate_limiter)
    patches.start_jobs(plan)
    print("AFTER", workflow.scheduler.job_rate_limiter)
"""
    target = "results/scale/data/documentation.jsonl"
    Path(target).unlink()
    done = snakemake(target, snakefile=small(folder, rules))
    assert done.returncode == 0, done.stdout
    assert "BEFORE <" in done.stdout and "AFTER None" in done.stdout
    Path(target).unlink()
    given = snakemake(target, "--max-jobs-per-timespan", "5/1s", snakefile=folder / "Snakefile")
    assert "AFTER <" in given.stdout
    with_others = rules.replace('"echo done', '"cat {input}; echo done').replace(
        "    output:", '    input: "other.txt"\n    output:'
    )
    Path(target).unlink()
    other = "\nrule other:\n    output: 'other.txt'\n    shell: 'touch {output}'\n"
    snakefile = small(folder, with_others + other)
    assert "AFTER <" in snakemake(target, snakefile=snakefile).stdout
