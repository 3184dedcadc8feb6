"""Before a study's jobs go to SLURM: whether it takes them, and what an earlier run left in it.

Snakemake's SLURM executor does not take up the jobs of a run that was killed. They go on, and a
new run would submit the same steps beside them. So each run notes the name that all its jobs bear,
and the next one cancels those of them that wait and lets those finish that run, before it looks at
what is done. Knows nothing about steps.
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
from manybaskets.stages.study import Study

PROFILE = "workflow/profiles/slurm/config.yaml"
POLL_SECONDS = 5.0
ANSWER_SECONDS = 120.0  # a busy controller may take a minute


class LiveJob(NamedTuple):
    """A job that SLURM has not ended."""

    id: str
    state: str
    what: str  # the rule and its wildcards


def check(resources: Iterable[Mapping[str, Any]]) -> None:
    """Raises ConfigError when jobs with these resources name an account or partition in vain."""
    if shutil.which("sbatch") is None:
        raise ConfigError(
            f"{PROFILE}: executor: slurm, but this machine has no sbatch. Start the study on a "
            "machine that submits to the cluster (a login node), or here without that profile."
        )
    names = ("slurm_account", "slurm_partition")
    for wanted in sorted({tuple(str(job.get(name) or "") for name in names) for job in resources}):
        options = [
            f"--{name.removeprefix('slurm_')}={value}"
            for name, value in zip(names, wanted, strict=True)
            if value
        ]
        tried = _run("sbatch", "--test-only", "--time=1", *options, "--wrap=true")
        # other refusals (a partition that is down, say) may be over when the jobs come
        if tried.returncode and "invalid" in tried.stderr.lower():
            said = tried.stderr.strip().splitlines()[-1]
            raise ConfigError(
                f"{PROFILE}: slurm_account: {wanted[0] or '(none)'}, slurm_partition: "
                f"{wanted[1] or '(none)'}: SLURM refuses such jobs ({said}). This cluster's "
                f"partitions: {', '.join(_partitions())}; your accounts: sacctmgr show assoc "
                "user=$USER. Edit default-resources and set-resources in the profile."
            )


def remember(study: Study, name: str) -> None:
    """Notes the name that all SLURM jobs of this run bear."""
    write_json(_note(study), {"job_name": name})


def forget(study: Study) -> None:
    """The run is over, and so are its jobs."""
    _note(study).unlink(missing_ok=True)


def finish_earlier_run(study: Study) -> None:
    """Cancels the pending jobs of an earlier run of the study, and waits for its running ones.

    Says on the terminal which. Raises ConfigError when SLURM cannot be asked.
    """
    note = _note(study)
    if not note.is_file():
        return
    name = read_json(note)["job_name"]
    told: set[tuple[str, str]] = set()
    while live := _live(name, note):
        pending = [job for job in live if job.state == "PENDING"]
        running = [job for job in live if job.state != "PENDING"]
        if pending:
            # only if it still is pending when SLURM comes to it
            _run("scancel", "--state=PENDING", *(job.id for job in pending))
        for jobs, verb in ((pending, "cancelled, they had not started"), (running, "waiting for")):
            new = [job for job in jobs if (job.id, verb) not in told]
            told |= {(job.id, verb) for job in new}
            if new:
                listed = ", ".join(f"{job.id} ({job.what})" for job in new)
                _tell(study, f"SLURM jobs of an earlier run, {verb}: {listed}")
        if running:
            _tell(study, f"{len(running)} still running; to end them: scancel --name {name}")
        time.sleep(POLL_SECONDS)
    forget(study)


def _live(name: str, note: Path) -> list[LiveJob]:
    hint = (
        f"An earlier run of the study submitted jobs named {name} to SLURM. Ask again when SLURM "
        f"answers, on a machine that submits to it; or, if you know that no such job lives, "
        f"delete {note}."
    )
    if shutil.which("squeue") is None:
        raise ConfigError(f"this machine has no squeue. {hint}")
    asked = _run("squeue", "--noheader", f"--name={name}", "--format=%i|%T|%k")
    if asked.returncode:
        raise ConfigError(f"squeue: {asked.stderr.strip()}. {hint}")
    return [LiveJob(*line.split("|", 2)) for line in asked.stdout.splitlines()]


def _partitions() -> list[str]:
    return sorted(set(_run("sinfo", "--noheader", "--format=%R").stdout.split()))


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
    )


def _note(study: Study) -> Path:
    return Path(study.path("logs/slurm.json"))


def _tell(study: Study, text: str) -> None:
    print(f"{study.config.study}: {text}", file=sys.stderr, flush=True)
