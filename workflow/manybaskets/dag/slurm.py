"""Checks before a study's jobs go to SLURM: account and partition, and jobs of an earlier run.

Snakemake's SLURM executor ignores the jobs of a killed run. They go on, and a new run would submit
the same steps beside them. Each run therefore writes down the name of its jobs; the next one
cancels those that are pending and waits for those that are running, before it reads any record.
This module does not depend on any step.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from manybaskets.config.base import ConfigError
from manybaskets.files import read_json, write_json
from manybaskets.study.layout import Study

PROFILE = "workflow/profiles/slurm/config.yaml"
POLL_SECONDS = 5.0
ANSWER_SECONDS = 120.0  # a busy controller may take a minute


class LiveJob(NamedTuple):
    """A pending or running SLURM job."""

    id: str
    state: str
    comment: str  # the rule and its wildcards


def check(resources: Iterable[Mapping[str, Any]]) -> None:
    """Raises ConfigError when SLURM refuses the account or partition of these jobs."""
    if shutil.which("sbatch") is None:
        raise ConfigError(
            f"{PROFILE}: executor: slurm, but this machine has no sbatch. Start the study on a "
            "machine that submits to the cluster (a login node), or here without that profile."
        )
    names = ("slurm_account", "slurm_partition")
    for values in sorted({tuple(str(job.get(name) or "") for name in names) for job in resources}):
        options = [
            f"--{name.removeprefix('slurm_')}={value}"
            for name, value in zip(names, values, strict=True)
            if value
        ]
        answer = _run("sbatch", "--test-only", "--time=1", *options, "--wrap=true")
        # other reasons (such as a partition that is down) may be over when the jobs start
        if answer.returncode and "invalid" in answer.stderr.lower():
            message = answer.stderr.strip().splitlines()[-1]
            raise ConfigError(
                f"{PROFILE}: slurm_account: {values[0] or '(none)'}, slurm_partition: "
                f"{values[1] or '(none)'}: SLURM refuses such jobs ({message}). This cluster's "
                f"partitions: {', '.join(_partitions())}; your accounts: sacctmgr show assoc "
                "user=$USER. Edit default-resources and set-resources in the profile."
            )


def remember(study: Study, name: str) -> None:
    """Writes down the name of all SLURM jobs of this run."""
    write_json(_note(study), {"job_name": name})


def forget(study: Study) -> None:
    """Deletes the name of the jobs: the run is over, and so are they."""
    _note(study).unlink(missing_ok=True)


def finish_earlier_run(study: Study) -> None:
    """Cancels the pending jobs of an earlier run of the study, and waits for its running ones.

    Prints which. Raises ConfigError when SLURM does not answer.
    """
    note = _note(study)
    if not note.is_file():
        return
    name = read_json(note)["job_name"]
    printed: set[tuple[str, str]] = set()
    while live := _live(name, note):
        pending = [job for job in live if job.state == "PENDING"]
        running = [job for job in live if job.state != "PENDING"]
        if pending:
            # only jobs that are still pending when SLURM reads this
            _run("scancel", "--state=PENDING", *(job.id for job in pending))
        for jobs, verb in ((pending, "cancelled before they started"), (running, "waiting for")):
            new = [job for job in jobs if (job.id, verb) not in printed]
            printed |= {(job.id, verb) for job in new}
            if new:
                listed = ", ".join(f"{job.id} ({job.comment})" for job in new)
                _print(study, f"SLURM jobs of an earlier run, {verb}: {listed}")
        if running:
            _print(study, f"{len(running)} still running; to end them: scancel --name {name}")
        time.sleep(POLL_SECONDS)
    forget(study)


def _live(name: str, note: Path) -> list[LiveJob]:
    hint = (
        f"An earlier run of the study submitted jobs named {name} to SLURM. Start again when SLURM "
        f"answers, on a machine that submits to it; or, if none of these jobs is left, "
        f"delete {note}."
    )
    if shutil.which("squeue") is None:
        raise ConfigError(f"this machine has no squeue. {hint}")
    answer = _run("squeue", "--noheader", f"--name={name}", "--format=%i|%T|%k")
    if answer.returncode:
        raise ConfigError(f"squeue: {answer.stderr.strip()}. {hint}")
    return [LiveJob(*line.split("|", 2)) for line in answer.stdout.splitlines()]


def _partitions() -> list[str]:
    return sorted(set(_run("sinfo", "--noheader", "--format=%R").stdout.split()))


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
    )


def _note(study: Study) -> Path:
    return Path(study.path("logs/slurm.json"))


def _print(study: Study, text: str) -> None:
    print(f"{study.config.study}: {text}", file=sys.stderr, flush=True)
