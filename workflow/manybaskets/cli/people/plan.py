"""Shows the jobs that a run of the study would start, with their reasons and costs."""

import argparse
from collections import Counter
from collections.abc import Sequence, Sized

from manybaskets.cli.arguments import config_arguments
from manybaskets.dag import data_files
from manybaskets.dag.costs import Estimates
from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.invalidation import Reason, Reruns
from manybaskets.dag.locks import holder
from manybaskets.dag.preflight import notes, study_of
from manybaskets.files import InputError
from manybaskets.stages.base import Device
from manybaskets.stages.registry import STAGES
from manybaskets.study.keys import Cell

HELP = "Shows the jobs that a run would start, with their reasons and costs."
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
SHOWN = 15  # reasons, without --all
DERIVED = "an input is remade"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("targets", nargs="*", help="files to create (default: the report)")
    config_arguments(parser)
    parser.add_argument("--all", action="store_true", help="list every job with all its reasons")
    parser.add_argument(
        "--gpu", action="store_true", help="estimate the cost on GPUs, even without one here"
    )


def run(options: argparse.Namespace) -> None:
    """Prints the plan."""
    graph = Graph(study_of(options.configfile, options.config))
    reruns = Reruns(graph)
    jobs = list(graph.jobs(*_targets(graph, options.targets)))
    due = [job for job in jobs if reruns.why(job)]
    running = holder(graph.study)
    if running:
        print(f"The study is running: {running}")
    files = data_files.check(graph.study).summary
    print("\n".join([*summary(graph, jobs, due), *files, *notes(graph.study)]))
    if due:
        cost = costs(Estimates(graph, reruns, options.gpu), due)
        print("\n".join(["", *cost, "", *reasons(reruns, due, options.all)]))


def _targets(graph: Graph, names: Sequence[str]) -> list[str]:
    """Returns the files to create; raises InputError for one that no job makes."""
    targets = [name.rstrip("/") for name in names if name != "all"]
    for target in targets:
        if graph.producer(target) is None:
            raise InputError(
                f"{target}: the study makes no such file. Its results are below "
                f"{graph.study.root}; a second config goes directly after the first one: "
                "--configfile first.yaml second.yaml."
            )
    return targets


def summary(graph: Graph, jobs: Sequence[Job], due: Sequence[Job]) -> list[str]:
    """Returns the size of the study, and how much of it would run."""
    study = graph.study
    cells = set(study.cells) & {Cell(*job.key[:4]) for job in due if hasattr(job.key, "target")}
    config = study.config
    grid = (
        f"{_count(config.targets, 'target')} × {_count(list(config.mixes), 'mix', 'mixes')} and"
        f" vanilla × {_count(config.seeds, 'seed')}"
    )
    pairs = sum(len(study.mixes_of(target)) - 1 for target in config.targets)
    if pairs < len(config.targets) * len(config.mixes):
        grid += f"; {_count(range(pairs), 'condition')} of target and mix"
    if study.loops:
        chains = [f"{name} {loop.generations}" for name, loop in study.loops.items()]
        grid += f"; generations: {', '.join(chains)}"
    lines = [f"{config.study}: {len(study.cells):,} cells ({grid}), {len(jobs):,} jobs"]
    if not due:
        return [*lines, "Nothing would run: every result matches its record."]
    current = f"; {len(jobs) - len(due):,} are up to date" if len(due) < len(jobs) else ""
    where = f", in {_count(cells, 'cell')}" if cells else ""
    return [*lines, f"{_count(due, 'job')} would run{where}{current}."]


def costs(estimates: Estimates, due: Sequence[Job]) -> list[str]:
    """Returns time, disk, tokens and judgements by stage, and the basis of the estimates.

    The time of a job is summed over its devices.
    """
    rows, unknown = [], []
    total_hours = total_bytes = 0.0
    for stage in STAGES.values():
        of_stage = [job for job in due if job.name == stage.name]
        if not of_stage:
            continue
        of_jobs = [estimates.of(job) for job in of_stage]
        known = [
            one.seconds * estimates.devices(job)
            for job, one in zip(of_stage, of_jobs, strict=True)
            if one.seconds is not None
        ]
        hours = sum(known) / 3600
        size = sum(one.bytes or 0 for one in of_jobs)
        time = _time(hours) if known else "unknown"
        if known and len(known) < len(of_jobs):
            time = f"over {time}"
        if len(known) < len(of_jobs):
            unknown.append(f"{stage.name} {len(of_jobs) - len(known)}")
        runs_model = stage.device is not Device.NONE
        if runs_model:
            total_hours += hours
        total_bytes += size
        generated = _generated(estimates, of_stage)
        basis = "measured" if of_jobs[0].measured else "modelled"
        device = "device" if runs_model else "CPU"
        rows.append([stage.name, f"{len(of_stage):,}", time, device, _size(size), basis, generated])
    heading = ["stage", "jobs", "time", "on", "disk", "basis", "generates"]
    lines = _table([heading, *rows])
    least = "more than " if unknown else ""
    lines.append(f"Total: {least}{total_hours:,.3g} device-hours, {_size(total_bytes)} of disk.")
    lines.append(f"measured: the mean of this study's finished jobs. modelled: {estimates.basis}.")
    if estimates.named:
        named = [f"{model} {size / 1e9:g} B" for model, size in sorted(estimates.named.items())]
        lines.append(
            "Sizes of models that are not on this machine are taken from their names: "
            f"{', '.join(named)}."
        )
    if unknown:
        lines.append(f"The time is unknown for {', '.join(unknown)} jobs.")
    return lines


def reasons(reruns: Reruns, due: Sequence[Job], every: bool) -> list[str]:
    """Returns the reasons with their jobs by stage, or with `every` each job with its reasons."""
    if every:
        return [f"{job.path}: {'; '.join(map(str, reruns.why(job)))}" for job in due]
    causes: dict[str, Counter[str]] = {}
    for job in due:
        for kind in dict.fromkeys(_kind(reason) for reason in reruns.why(job)):
            causes.setdefault(kind, Counter())[job.name] += 1
    ordered = sorted(causes.items(), key=lambda cause: (cause[0] == DERIVED, -cause[1].total()))
    lines = ["Why:"]
    for kind, stages in ordered[:SHOWN]:
        named = ", ".join(f"{stage} {number:,}" for stage, number in stages.items())
        lines.append(f"  {kind}: {named}")
    if len(ordered) > SHOWN:
        lines.append(f"  and {len(ordered) - SHOWN:,} other reasons; --all lists them by job")
    return lines


def _kind(reason: Reason) -> str:
    """Returns the text of a reason, the same for all jobs that have it."""
    if reason.how.startswith("is remade"):
        return DERIVED
    return str(reason)


def _generated(estimates: Estimates, jobs: Sequence[Job]) -> str:
    tokens = sum(estimates.tokens(job) for job in jobs)
    judgements = sum(estimates.judgements(job) for job in jobs)
    if tokens:
        return f"{tokens:,} tokens at most"
    return f"{judgements:,} judgements" if judgements else ""


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in (1, 2, 4) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _count(things: Sized, one: str, many: str = "") -> str:
    return f"{len(things):,} {one if len(things) == 1 else many or one + 's'}"


def _time(hours: float) -> str:
    if hours >= 1.5:
        return f"{hours:,.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1.5 else f"{hours * 3600:.0f} s"


def _size(size: float) -> str:
    unit, name = next((u for u in UNITS if size >= u[0]), UNITS[-1])
    return f"{size / unit:,.1f} {name}"
