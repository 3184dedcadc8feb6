"""Options of Snakemake do on this workflow what they do on others, or print why not."""

import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.paths import ROOT
from tests.support.workflow import snakemake

MICRO = ("--configfile", str(ROOT / "tests/workflow/micro.yaml"))
CELL = "results/micro/cells/wren/multi/seed=1"


@pytest.fixture
def finished(micro: Path, tmp_path: Path) -> Path:
    """A copy of the finished micro study, with Snakemake's own notes."""
    for name in ("results", ".snakemake"):
        shutil.copytree(micro / name, tmp_path / name)
    return tmp_path


def listed(done: "CompletedProcess[str]") -> list[str]:
    """The logs of the jobs that a dry run lists."""
    assert done.returncode == 0, done.stdout
    return re.findall(r"^ +log: results/micro/logs/(\S+)\.log", done.stdout, re.MULTILINE)


def dry_run(folder: Path, *options: str) -> list[str]:
    return listed(snakemake(folder, "--dry-run", "--quiet", "host", *options, *MICRO))


def test_report_contains_what_rules_show(finished: Path) -> None:
    done = snakemake(finished, "--report", "snakemake.html", *MICRO)
    assert done.returncode == 0, done.stdout
    page = (finished / "snakemake.html").read_text(encoding="utf-8")
    assert "Comparisons" in page and "contrasts.csv" in page and "report.html" in page


def test_lint_finds_nothing(finished: Path) -> None:
    done = snakemake(finished, "--lint", *MICRO)
    assert done.returncode == 0, done.stdout
    assert "Congratulations, your workflow is in a good condition!" in done.stdout


def test_summary_shows_every_output_and_what_is_pending(finished: Path) -> None:
    (finished / CELL / "collapse.json").unlink()
    done = snakemake(finished, "--summary", *MICRO)
    assert done.returncode == 0, done.stdout
    rows = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    plans = {row[0]: row[-1] for row in rows[1:]}
    pending = {path for path, plan in plans.items() if plan == "update pending"}
    assert pending == {f"{CELL}/collapse.json", f"{CELL}/outliers.json"}
    assert "results/micro/report.html" in plans and "results/micro/data/train.jsonl" in plans


def test_touch_says_that_records_decide(finished: Path) -> None:
    before = (finished / CELL / "collapse.json").stat().st_mtime_ns
    done = snakemake(finished, "--touch", *MICRO)
    assert done.returncode == 2
    assert "--touch: records" in done.stdout and "manybaskets plan" in done.stdout
    assert (finished / CELL / "collapse.json").stat().st_mtime_ns == before


def test_forcerun_runs_a_rule_and_what_is_made_from_it(finished: Path) -> None:
    assert sorted(dry_run(finished, "--forcerun", "figures")) == ["figures", "report"]


def test_force_runs_a_target_alone(finished: Path) -> None:
    assert dry_run(finished, "--force", f"{CELL}/outliers.json") == ["collapse/wren/multi/seed=1"]


def test_until_ends_at_a_rule(finished: Path) -> None:
    (finished / CELL / "likelihood.json").unlink()
    (finished / CELL / "collapse.json").unlink()
    assert dry_run(finished, "--until", "score_likelihood") == [
        "score_likelihood/wren/multi/seed=1"
    ]


def test_omit_from_leaves_out_a_rule(finished: Path) -> None:
    assert dry_run(finished, "--forcerun", "compare_judges", "--omit-from", "findings") == [
        "compare_judges"
    ]


def test_batch_takes_a_part_of_a_rules_inputs(finished: Path) -> None:
    for path in finished.glob("results/micro/cells/*/*/*/*.json"):
        if path.name in ("collapse.json", "robustness.json", "preference.json"):
            path.unlink()
    everything = set(dry_run(finished))
    first = set(dry_run(finished, "--batch", "findings=1/3"))
    assert first < everything and first
    assert not {"findings", "report"} & first


def test_list_changes_lists_no_output_of_the_same_rules(finished: Path) -> None:
    done = snakemake(finished, "--list-changes", "code", *MICRO)
    assert done.returncode == 0, done.stdout
    assert "results/micro/" not in done.stdout.split("Building DAG")[-1]


def test_rerun_triggers_say_that_records_decide(finished: Path) -> None:
    (finished / "results/micro/data/train.jsonl").touch()
    done = snakemake(finished, "--dry-run", "--quiet", "host", "--rerun-triggers", "mtime", *MICRO)
    assert listed(done) == []
    assert "--rerun-triggers: records" in done.stdout
