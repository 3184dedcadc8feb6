"""A study through a real SLURM: same bytes, nothing twice, no device shared, nothing left."""

import itertools
import os
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster import late, slurm
from tests.cluster.conftest import MICRO, Eventful
from tests.support.paths import ROOT
from tests.support.workflow import snakemake

PROFILE = ("--profile", str(ROOT / "workflow/profiles/slurm"))
TARGET = ("--", "results/micro/models/wren.json")
# what tells of times and processes, and so differs between any two runs
OWN = ("logs", "records", "report.html")


def files(results: Path) -> dict[str, bytes]:
    below = {path.relative_to(results): path for path in results.rglob("*") if path.is_file()}
    return {
        str(name): path.read_bytes() for name, path in below.items() if name.parts[0] not in OWN
    }


def attempts(seen: Eventful, job: slurm.Job | None) -> list[slurm.Job]:
    """The job and those submitted for the same step after it."""
    assert job is not None
    return [other for other in seen.jobs if other.what == job.what and other.id >= job.id]


def test_the_results_are_the_bytes_of_a_local_run(local: Path, eventful: Eventful) -> None:
    here, there = files(local), files(eventful.results)
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


def test_the_nodes_saw_new_files_late(cluster: Path) -> None:
    """So that the study that went through them shows something."""
    if not late.can():
        pytest.skip("no FUSE or bindfs here: the nodes saw every file at once")
    new = cluster / "new"
    with late.host(cluster) as sight:
        look = sight.command("cat", str(new))
        assert subprocess.run(look, capture_output=True, check=False).returncode != 0
        new.write_text("text")
        assert subprocess.run(look, capture_output=True, check=False).returncode != 0
        time.sleep(late.SECONDS + 0.5)
        assert subprocess.run(look, capture_output=True, check=False).stdout == b"text"


def test_every_step_was_finished_once(eventful: Eventful) -> None:
    finished = Counter(job.what for job in eventful.jobs if job.state == "COMPLETED")
    assert set(finished.values()) == {1}
    assert set(finished) == {job.what for job in eventful.jobs}


def test_a_job_that_ran_out_of_time_gets_more_time_and_memory(eventful: Eventful) -> None:
    first, second, *_ = attempts(eventful, eventful.overtime)
    assert first.state == "TIMEOUT"
    assert eventful.overtime is not None
    assert second.minutes == 2 * eventful.overtime.minutes
    assert second.megabytes == 2 * first.megabytes


def test_a_cancelled_job_is_submitted_again(eventful: Eventful) -> None:
    states = [job.state for job in attempts(eventful, eventful.cancelled)]
    assert states[0] == "CANCELLED"
    assert states[-1] == "COMPLETED"


def test_a_drained_node_gets_no_job_until_it_is_resumed(eventful: Eventful) -> None:
    assert eventful.cancelled is not None
    last = max(job.id for job in [*eventful.running, *eventful.pending])
    after_it = [job for job in eventful.jobs if job.id > eventful.cancelled.id + 4]
    assert {job.node for job in after_it if job.id <= last and job.node} == {"node2"}
    assert "node1" in {job.node for job in after_it if job.id > last}


def test_a_killed_head_is_taken_over_and_nothing_runs_beside(eventful: Eventful) -> None:
    said = eventful.heads[1].read_text()
    states = {job.id: job.state for job in eventful.jobs}
    for job in eventful.running:
        assert states[job.id] == "COMPLETED"
        assert len(attempts(eventful, job)) == 1
    for job in eventful.pending:  # unless SLURM started it before the next head came
        assert f"{job.id} ({job.what})" in said or states[job.id] == "COMPLETED"
        if states[job.id] != "CANCELLED":
            assert len(attempts(eventful, job)) == 1
    last = max(job.id for job in [*eventful.running, *eventful.pending])
    told = said[: said.index("SLURM run ID")]
    assert any(f"{job.id} ({job.what})" in told for job in eventful.running)
    assert any(job.id > last for job in eventful.jobs)


def test_jobs_share_no_device(eventful: Eventful) -> None:
    # One job may end and another start while a sample is taken, but not at two samples in a row.
    for earlier, later in itertools.pairwise(eventful.samples):
        for where, jobs in later.items():
            assert len(jobs & earlier.get(where, set())) <= 1
    used = {where for sample in eventful.samples for where in sample}
    assert used == {(node, str(gpu)) for node in slurm.NODES for gpu in range(slurm.GPUS_PER_NODE)}


def test_nothing_outlives_the_jobs(eventful: Eventful) -> None:
    deadline = time.monotonic() + 20
    while slurm.inside_jobs() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert slurm.inside_jobs() == []
    left = [path for path in eventful.temporary.rglob("*") if path.is_file()]
    assert left == []
    assert not (eventful.results / "logs/slurm.json").exists()


def test_a_partition_that_does_not_exist_is_named_with_those_that_do(
    cluster: Path, tmp_path: Path
) -> None:
    wrong = ("--default-resources", "slurm_account=lab", "slurm_partition=a100", "mem_mb=1000")
    done = snakemake(tmp_path, *MICRO, *PROFILE, *wrong, *TARGET)
    assert done.returncode != 0
    assert "workflow/profiles/slurm/config.yaml" in done.stdout
    assert "slurm_partition: a100" in done.stdout
    assert "cpu, gpu" in done.stdout
    assert not (tmp_path / "results/micro/data").exists()


def test_a_machine_without_slurm_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "which", "sh"):
        (programs / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", os.fspath(programs))
    done = snakemake(tmp_path, *MICRO, *PROFILE, *TARGET)
    assert done.returncode != 0
    assert "this machine has no sbatch" in done.stdout
    assert not (tmp_path / "results/micro/data").exists()
