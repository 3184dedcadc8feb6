"""Shows the progress of a study in the current run, or after the last one."""

import argparse
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import config_arguments
from manybaskets.dag import records
from manybaskets.dag.costs import Estimates
from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.invalidation import Reruns
from manybaskets.dag.locks import holder
from manybaskets.dag.preflight import study_of
from manybaskets.files import read_json
from manybaskets.processes import start_time
from manybaskets.stages.registry import STAGES

HELP = "Shows the progress of a study: jobs by stage, failures with reasons, and the time left."
LOG_LINES = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    config_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Prints the state of the study."""
    graph = Graph(study_of(options.configfile, options.config))
    reruns = Reruns(graph)
    jobs = list(graph.jobs())
    left = [job for job in jobs if reruns.why(job)]
    notes = {job: note for job in left if (note := _note(graph, job))}
    at_work = [job for job, note in notes.items() if _lives(note)]
    failed = [job for job, note in notes.items() if "failed" in note]
    killed = [job for job in notes if job not in at_work and job not in failed]
    running = holder(graph.study)
    print(f"{graph.study.config.study}: {f'running, {running}' if running else 'not running'}")
    print("\n".join(_progress(jobs, left, at_work, failed)))
    if running:
        print(_time_left(graph, reruns, jobs, left))
        for model, reason in _stalled():
            print(f"\n{model}: {reason}")
    for job in failed:
        print("\n".join(["", f"failed: {job.path}: {notes[job]['failed']}", *_tail(graph, job)]))
    if killed:
        print(f"\nkilled before they finished: {', '.join(job.path for job in killed)}")
    if left and not running:
        print("\nRun snakemake again to continue; `manybaskets plan` lists the remaining jobs.")


def _progress(
    jobs: Sequence[Job], left: Sequence[Job], at_work: Sequence[Job], failed: Sequence[Job]
) -> Iterator[str]:
    totals = Counter(job.name for job in jobs)
    counts = [Counter(job.name for job in group) for group in (left, at_work, failed)]
    yield f"{'stage':<20}{'done':>8}{'of':>8}{'running':>9}{'failed':>8}"
    yield "-" * 53
    for stage in STAGES:
        if totals[stage]:
            open_, running, broken = (count[stage] for count in counts)
            done = totals[stage] - open_
            line = f"{stage:<20}{done:>8,}{totals[stage]:>8,}{running or '':>9}{broken or '':>8}"
            yield line.rstrip()
    done = len(jobs) - len(left)
    line = f"{'all':<20}{done:>8,}{len(jobs):>8,}{len(at_work) or '':>9}{len(failed) or '':>8}"
    yield line.rstrip()


def _time_left(graph: Graph, reruns: Reruns, jobs: Sequence[Job], left: Sequence[Job]) -> str:
    """Returns the time left: the cost of the remaining jobs at the pace of this run."""
    begun = (Path(graph.study.root) / "study.json").stat().st_mtime
    waiting = set(left)
    estimates = Estimates(graph, reruns)
    done = ahead = 0.0
    for job in jobs:
        seconds = estimates.of(job).seconds or 0.0
        if job in waiting:
            ahead += seconds
        elif Path(graph.record(job)).stat().st_mtime >= begun:
            done += seconds
    if not done:
        return "Time left: unknown until the first job is done."
    minutes = (time.time() - begun) * ahead / done / 60
    return f"Time left: about {minutes:,.0f} minutes at the pace of this run."


def _stalled() -> Iterator[tuple[str, str]]:
    """Yields the model of each engine on this host that produces no tokens, and the reason."""
    from manybaskets.serving.engine import live_engines

    for state in live_engines():
        if state.stalled:
            yield Path(state.base).name, state.stalled


def _note(graph: Graph, job: Job) -> dict[str, Any] | None:
    try:
        note: dict[str, Any] = read_json(records.unfinished(graph, job))
    except (OSError, ValueError):
        return None
    return note


def _lives(note: dict[str, Any]) -> bool:
    """Returns whether the process of a note is alive; one on another host is assumed to be."""
    if "failed" in note:
        return False
    return note["host"] != socket.gethostname() or start_time(note["pid"]) is not None


def _tail(graph: Graph, job: Job) -> list[str]:
    log = Path(graph.log(job))
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 10_000))
        lines = file.read().decode(errors="replace").splitlines()
    return [f"  {log}:", *(f"  | {line}" for line in lines[-LOG_LINES:])]
