"""Edits of the finished micro study: exactly the jobs that depend on an edit run again.

The tables call `manybaskets plan` in a checkout of its own, on copies of the study's results. For
some edits a test shows that Snakemake runs the jobs of the plan.
"""

import re

import pytest

from manybaskets.files import read_json, write_json
from tests.support.workspace import Workspace, all_jobs, assert_reruns, expanded, touch_everything
from tests.workflow.edits import code, config, own_files, results
from tests.workflow.edits.jobs import END, TWO

TABLE = config.TABLE | code.TABLE | results.TABLE
THROUGH_SNAKEMAKE = [
    "a mix's proportions",
    "keys in another order",
    "a result deleted that others were made from",
    "an adapter without its weights",
    "results touched",
    "cores",
    "a function that one stage uses",
]


@pytest.mark.parametrize("edit", TABLE)
def test_an_edit_runs_the_jobs_it_touches_and_no_others(workspace: Workspace, edit: str) -> None:
    assert_reruns(workspace, *TABLE[edit])


@pytest.mark.parametrize("edit", THROUGH_SNAKEMAKE)
def test_snakemake_runs_the_jobs_of_the_plan(workspace: Workspace, edit: str) -> None:
    TABLE[edit][0](workspace)
    assert workspace.dry_run() == workspace.planned()


@pytest.mark.parametrize(
    ("force", "patterns"),
    [
        (["--forcerun", "figures"], {"figures", "report"}),
        (
            ["--forcerun", "results/micro/mixes/multi/seed=2.jsonl"],
            {"build_mix/multi/seed=2", "compare_judges"} | END | TWO,
        ),
        (["--forceall"], {"*"}),
    ],
)
def test_forced_jobs_run_with_all_that_depend_on_them(
    workspace: Workspace, force: list[str], patterns: set[str]
) -> None:
    workspace.snakemake_arguments = force
    planned = workspace.dry_run()
    assert planned == expanded(patterns, planned, all_jobs(workspace))


def test_a_probe_switched_on_again_measures_nothing_twice(workspace: Workspace) -> None:
    probes = workspace.config["probes"]
    preference = probes["preference"]
    probes["preference"] = None
    workspace.make()
    assert workspace.planned() == set()
    probes["preference"] = preference
    assert workspace.planned() == END


def test_the_plan_names_the_key_and_both_values(workspace: Workspace) -> None:
    workspace.config["training"]["alpha"] = 12
    plan = workspace.plan().stdout
    assert "training.alpha: 8.0 -> 12.0: train 4" in plan
    assert "an input is remade: sample_responses 4, score_likelihood 4" in plan


def test_the_plan_names_the_module_that_was_edited(workspace: Workspace) -> None:
    workspace.edit(
        "workflow/manybaskets/metrics/ngram_diversity.py", "return math", "return 0 or math"
    )
    assert "diversity.py was edited: collapse 6" in workspace.plan().stdout


def test_status_counts_finished_jobs_and_lists_failed_ones(workspace: Workspace) -> None:
    status = workspace.status()
    assert "micro: not running" in status
    assert re.search(r"^all +68 +68$", status, re.MULTILINE)
    record = workspace.results / "records/collapse/wren/human/seed=1.json"
    record.unlink()
    note = {"pid": 1, "host": "elsewhere", "started": 0.0, "failed": "it is all too much"}
    write_json(record.with_suffix(".unfinished"), note)
    log = workspace.results / "logs/collapse/wren/human/seed=1.log"
    log.write_text("the first line\nthe last line\n")
    status = workspace.status()
    assert re.search(r"^collapse +5 +6 +1$", status, re.MULTILINE)
    assert "failed: collapse/wren/human/seed=1: it is all too much" in status
    assert "| the last line" in status


def test_touched_results_are_read_once_and_recorded_again(workspace: Workspace) -> None:
    touch_everything(workspace.results)
    workspace.make()
    for path in (workspace.results / "records").rglob("*.json"):
        for name, (_, changed, _) in read_json(path)["outputs"].items():
            assert (workspace.results / name).stat().st_mtime_ns == changed


def test_the_tables_have_at_least_forty_edits_with_distinct_names() -> None:
    tables = (config.TABLE, code.TABLE, results.TABLE)
    assert len(TABLE) == sum(map(len, tables))
    assert len(TABLE) + len(own_files.TABLE) >= 40
