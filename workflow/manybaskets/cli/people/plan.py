"""Shows the jobs that a run of the study would start, with their reasons and costs."""

import argparse
from collections import Counter
from collections.abc import Sequence, Sized

from manybaskets.dag.costs import Estimates
from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.invalidation import Reason, Reruns
from manybaskets.dag.locks import holder
from manybaskets.dag.preflight import notes, study_of
from manybaskets.stages.base import Device
from manybaskets.stages.registry import STAGES
from manybaskets.study.keys import Cell

HELP = "Shows the jobs a run would start, why each of them, and what they will cost."
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
SHOWN = 15  # reasons, without --all
DERIVED = "made from what is remade"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("targets", nargs="*", help="files to create (default: the report)")
    parser.add_argument(
        "--configfile", action="append", default=[], help="config of the study (repeatable)"
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="config value that overrides the files (repeatable)",
    )
    parser.add_argument("--all", action="store_true", help="list every job with all its reasons")
    parser.add_argument(
        "--gpu", action="store_true", help="estimate the cost on GPUs, even without one here"
    )


def run(options: argparse.Namespace) -> None:
    """Prints the plan."""
    graph = Graph(study_of(options.configfile, options.config))
    reruns = Reruns(graph)
    jobs = list(graph.jobs(*options.targets))
    due = [job for job in jobs if reruns.why(job)]
    running = holder(graph.study)
    if running:
        print(f"The study is being run now: {running}")
    print("\n".join([*summary(graph, jobs, due), *notes(graph.study)]))
    if due:
        cost = costs(Estimates(graph, reruns, options.gpu), due)
        print("\n".join(["", *cost, "", *reasons(reruns, due, options.all)]))


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
    held = f"; {len(jobs) - len(due):,} results hold" if len(due) < len(jobs) else ""
    where = f", in {_count(cells, 'cell')}" if cells else ""
    return [*lines, f"{_count(due, 'job')} would run{where}{held}."]


def costs(estimates: Estimates, due: Sequence[Job]) -> list[str]:
    """Time, disk, tokens and judgements by stage, and what the estimate rests on.

    Time is that of all devices of a job together.
    """
    rows, unknown = [], []
    total_hours = total_bytes = 0.0
    for stage in STAGES.values():
        of_stage = [job for job in due if job.name == stage.name]
        if not of_stage:
            continue
        found = [estimates.of(job) for job in of_stage]
        known = [
            one.seconds * estimates.devices(job)
            for job, one in zip(of_stage, found, strict=True)
            if one.seconds is not None
        ]
        hours = sum(known) / 3600
        size = sum(one.bytes or 0 for one in found)
        time = _time(hours) if known else "not known"
        if known and len(known) < len(found):
            time = f"over {time}"
        if len(known) < len(found):
            unknown.append(f"{stage.name} {len(found) - len(known)}")
        runs_model = stage.device is not Device.NONE
        if runs_model:
            total_hours += hours
        total_bytes += size
        asked = _asked(estimates, of_stage)
        basis = "measured" if found[0].measured else "modelled"
        device = "device" if runs_model else "CPU"
        rows.append([stage.name, f"{len(of_stage):,}", time, device, _size(size), basis, asked])
    heading = ["stage", "jobs", "time", "on", "disk", "basis", "asks for"]
    lines = _table([heading, *rows])
    least = "more than " if unknown else ""
    lines.append(f"Together {least}{total_hours:,.3g} device-hours, {_size(total_bytes)} of disk.")
    lines.append(f"measured: the mean of this study's finished jobs. modelled: {estimates.basis}.")
    if estimates.named:
        named = [f"{model} {size / 1e9:g} B" for model, size in sorted(estimates.named.items())]
        lines.append(f"Sizes of models that are not here are from their names: {', '.join(named)}.")
    if unknown:
        lines.append(f"Not known is the time of: {', '.join(unknown)} jobs.")
    return lines


def reasons(reruns: Reruns, due: Sequence[Job], every: bool) -> list[str]:
    """Why jobs would run: each reason with its jobs by stage, or every job with its reasons."""
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
        lines.append(f"  and {len(ordered) - SHOWN:,} other reasons; --all lists them job by job")
    return lines


def _kind(reason: Reason) -> str:
    """A reason in one wording for all the jobs that have it."""
    if reason.how.startswith("is remade"):
        return DERIVED
    return str(reason)


def _asked(estimates: Estimates, jobs: Sequence[Job]) -> str:
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
