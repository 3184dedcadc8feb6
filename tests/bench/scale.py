"""Planning and gathering of large studies, against a bare Snakefile of the same shape.

    python -m tests.bench.scale [--quick] [--probes collapse robustness preference]

The study has 4 targets × 49 mixes and vanilla × 50 seeds = 10,000 cells; with the collapse probe
that is four jobs a cell. Its results are made up; what is measured is real: Snakemake on the
project's Snakefile, `manybaskets plan`, the steps that gather results, and the report in a headless
Chromium, where there is one. The bare Snakefile has the same
rules, inputs, outputs and a constant for params, and is as quiet as the project's profile. Times
are of whole processes.
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from manybaskets.dag import records
from manybaskets.dag.graph import Graph
from manybaskets.dag.invalidation import Reruns
from manybaskets.dag.preflight import study_of
from manybaskets.dag.results_format import FORMAT
from manybaskets.files import canonical_json
from manybaskets.stages.registry import STAGES
from manybaskets.study import keys
from tests.support import browser
from tests.support.jobs import spec_of
from tests.support.paths import ROOT

READY = 3000
GIB = 1024**3
# A process's peak memory begins with that of the process that forked it; this one is small.
LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds = time.perf_counter() - started
found = [seconds, used.ru_utime + used.ru_stime, used.ru_maxrss, done.returncode, done.stdout]
json.dump(found, sys.stdout)
"""


class Measured(NamedTuple):
    """A process with all that it started: seconds, CPU seconds, GiB of its largest process."""

    seconds: float
    cpu: float
    memory: float
    said: str


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a study of 400 cells")
    parser.add_argument("--probes", nargs="+", default=["collapse"])
    options = parser.parse_args()
    targets, mixes, seeds = (2, 9, 20) if options.quick else (4, 49, 50)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        os.chdir(folder)
        write_study(folder, targets, mixes, seeds, options.probes)
        graph = Graph(study_of(["scale.yaml"], []))
        jobs = list(graph.jobs())
        print(f"{len(graph.study.cells):,} cells, {len(jobs):,} jobs, probes: {options.probes}")
        machine = platform.processor() or platform.machine()
        print(f"{machine}, {os.cpu_count()} cores\n")
        print(f"{'':<44}{'seconds':>9}{'CPU':>9}{'GiB':>7}   goal", flush=True)
        planning(folder, graph)
        scheduling(folder, 300 if options.quick else READY)
        findings(folder, targets, mixes, seeds)


def planning(folder: Path, graph: Graph) -> None:
    """Dry runs, plans, no-op runs and one named cell: nothing built, then all built."""
    ours = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    ours += ["--cores", "2", "--configfile", "scale.yaml"]
    plan = [sys.executable, "-m", "manybaskets", "plan", "--configfile", "scale.yaml"]
    last = graph.study.cells[-1]
    cell = graph.study.path(last.path, "collapse.json")
    bare_folder = folder / "bare"
    write_bare(bare_folder, graph)
    bare = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "rules", "host"]
    peer = show("bare Snakefile, dry run, nothing built", run([*bare, "-n"], bare_folder))
    dry = run([*ours, "-n"], folder)
    show("dry run, nothing built", dry, 60, 1, against=peer)
    show("plan, nothing built", run(plan, folder), 60, 1, against=peer)
    show("dry run of one cell, nothing built", run([*ours, "-n", cell], folder), 5)
    fabricate(graph)
    show("nothing to do, everything built", run(ours, folder), 30, 1)
    show("plan, everything built", run(plan, folder), 60, 1)
    show("dry run of one cell, everything built", run([*ours, "-n", cell], folder), 5)
    (folder / graph.study.path(last.path, "collapse.json")).unlink()
    show("dry run, one result deleted", run([*ours, "-n"], folder), 60, 1)


def scheduling(folder: Path, ready: int) -> None:
    """Jobs that are all ready at once and do next to nothing, with the project's profile."""
    place = folder / "ready"
    place.mkdir()
    (place / "Snakefile").write_text(
        f'rule all:\n    input: [f"made/{{n}}" for n in range({ready})]\n'
        'rule one:\n    output: "made/{n}"\n    shell: "sleep 0.02; touch {output}"\n'
    )
    base = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"]
    started = time.perf_counter()
    subprocess.run(
        [
            "bash",
            "-c",
            f"mkdir -p raw; seq {ready} | xargs -P 2 -I X bash -c"
            " 'set -euo pipefail; sleep 0.02; touch raw/X'",
        ],
        cwd=place,
        check=True,
    )
    raw = time.perf_counter() - started
    print(f"{f'{ready:,} ready jobs: the commands alone':<44}{raw:>9.1f}")
    profile = ["--workflow-profile", str(ROOT / "profiles/default")]
    found = show(f"{ready:,} ready jobs: the project's profile", run([*base, *profile], place))
    print(f"  {1000 * (found.seconds - raw) / ready:.1f} ms a job beside the command")


def findings(folder: Path, targets: int, mixes: int, seeds: int) -> None:
    """The real steps that gather, over made-up measurements, 40 of every cell."""
    place = folder / "gather"
    config = study(targets, mixes, seeds, ["collapse", "robustness", "preference"])
    place.mkdir()
    shutil.copytree(folder / "models", place / "models")
    (place / "scale.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    os.chdir(place)
    graph = Graph(study_of(["scale.yaml"], []))
    draw = random.Random(0)
    fabricate(graph, {"build_mix", "train", "robustness", "preference"})
    for cell in graph.study.cells:
        for probe, found in measurements(draw).items():
            path = Path(graph.study.path(cell.path, f"{probe}.json"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"measurements": found}))
    root = graph.study.root

    def step(name: str, *more: str) -> list[str]:
        spec = spec_of(graph.study, name)
        return [sys.executable, "-m", "manybaskets", name, "--spec", spec, *more]

    def tables(*names: str) -> list[str]:
        return [part for n in names for part in (f"--{n}", f"{root}/findings/{n}.csv")]

    gather = step("findings", "--root", root, "--output", f"{root}/findings")
    show("findings, 40 measurements a cell", run(gather, place), 60, 2)
    drawn = f"{root}/findings/figures"
    names = ("measurements", "contrasts", "trends", "training", "ranks")
    show("figures", run(step("figures", *tables(*names), "--output", drawn), place))
    names = ("measurements", "contrasts", "trends", "pooled", "comparison")
    page = place / root / "report.html"
    shown = ["--root", root, "--figures", drawn, "--output", str(page)]
    show("report", run(step("report", *tables(*names), *shown), place))
    opened(page)
    os.chdir(folder)


def opened(page: Path) -> None:
    """How large the report is, and how soon a headless Chromium has drawn it."""
    size = page.stat().st_size / 1e6
    print(f"{'report: MB':<44}{size:>9.1f}{'':>16}   50 MB: {_said(size <= 50)}", flush=True)
    if not any(map(shutil.which, browser.NAMES)):
        print("report: not opened, there is no Chromium here")
        return
    visits = [browser.visit(page) for _ in range(3)]
    complaints = [found for visit in visits for found in visit.complaints]
    seconds = sorted(visit.seconds for visit in visits)
    row = f"{'report: opened, the median of three':<44}{seconds[1]:>9.1f}{'':>16}"
    print(f"{row}   3 s: {_said(seconds[1] <= 3)} ({len(complaints)} complaints)", flush=True)


def measurements(draw: random.Random) -> dict[str, list[dict[str, Any]]]:
    """Forty measurements in the form of the probes' results."""
    sets = {
        "collapse": [("bits_per_byte", "test"), ("nll", "test")]
        + [(f"distinct_{n}", "test") for n in (1, 2, 3)]
        + [(name, "test") for name in ("self_bleu", "mean_words", "cut_rate", "empty_rate")],
        "robustness": [("refusal_rate", "decline/direct")]
        + [("refusal_rate", f"decline/attack-{n}") for n in range(20)],
        "preference": [("self_preference_bias", "pairs"), ("position_bias", "pairs")]
        + [("preference", f"origin-{n}") for n in range(8)],
    }
    return {
        probe: [
            {
                **{"probe": probe, "metric": metric, "item_set": item_set},
                **{"value": draw.random(), "n": 100, "excluded": 0, "note": ""},
            }
            for metric, item_set in named
        ]
        for probe, named in sets.items()
    }


def study(targets: int, mixes: int, seeds: int, probes: list[str]) -> dict[str, Any]:
    """A study of the user's own models: two sources, and `mixes` mixes of them."""
    models = {f"model-{n}": {"path": f"models/model-{n}"} for n in range(targets)}
    shares = [round((n + 1) / (mixes + 1), 4) for n in range(mixes)]
    settings: dict[str, Any] = {name: {} for name in probes}
    off = [name for name in ("collapse", "robustness", "preference") if name not in probes]
    return {
        "study": "scale",
        "seeds": list(range(1, seeds + 1)),
        "dataset": {"docs": {"packages": ["scipy"]}, "train": 400, "test": 100},
        "models": models,
        "sources": {"one": {"model": "model-0"}, "two": {"model": "model-1"}},
        "targets": list(models),
        "mixes": {
            f"mix-{n}": {"origins": {"one": share, "two": round(1 - share, 4)}}
            for n, share in enumerate(shares)
        },
        "rows": 400,
        "probes": settings | dict.fromkeys(off),
    }


def write_study(folder: Path, targets: int, mixes: int, seeds: int, probes: list[str]) -> None:
    """The config, and folders that pass for models."""
    for n in range(targets):
        model = folder / f"models/model-{n}"
        model.mkdir(parents=True)
        (model / "config.json").write_text("{}")
        (model / "chat_template.jinja").write_text(
            "{% for m in messages %}{{ m.content }}<end>{% endfor %}"
        )
        (model / "model.safetensors").write_bytes(bytes(1000))
    config = study(targets, mixes, seeds, probes)
    (folder / "scale.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def write_bare(folder: Path, graph: Graph) -> None:
    """Rules, jobs, inputs and outputs of the study, and nothing else of it."""
    used = {job.name: job for job in graph.jobs()}
    # inputs as patterns: those of one job with its values put back as wildcards
    parts = [f"rule all:\n    input: {graph.study.path('report.html')!r}\n"]
    for stage, job in used.items():
        flags = []
        for output in STAGES[stage].outputs.values():
            path = graph.study.path(output.path.replace("{generation}", ""))
            flags.append(f"directory({path!r})" if output.is_folder else repr(path))
        inputs: Any = [path for path in graph.files(job) if graph.producer(path)]
        if len(inputs) > 100:
            (folder / stage).parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{stage}.json").write_text(json.dumps(inputs))
            needed = f"json.load(open({stage + '.json'!r}))"
        else:
            needed = repr([generalised(path, keys.wildcards(job.key)) for path in inputs])
        parts.append(
            f"rule {stage}:\n    input: {needed}\n    output: {', '.join(flags)}\n"
            '    params: spec="constant"\n    shell: "touch {output}"\n'
        )
    folder.mkdir(exist_ok=True)
    (folder / "Snakefile").write_text("import json\n" + "\n".join(parts))


def generalised(path: str, wildcards: dict[str, str]) -> str:
    """A path of one job as a pattern of its rule."""
    pieces = path.split("/")
    for name, value in wildcards.items():
        if name == "generation":
            continue
        whole = f"seed={value}" if name == "seed" else value
        for number, piece in enumerate(pieces):
            if piece == whole or piece.startswith(f"{whole}."):
                pieces[number] = piece.replace(value, f"{{{name}}}", 1)
    return "/".join(pieces)


def fabricate(graph: Graph, stages: Collection[str] = tuple(STAGES)) -> None:
    """Every result of some stages and its record, as if the study had been run."""
    reruns = Reruns(graph)
    root = Path(graph.study.root)
    digests: dict[str, str] = {}
    for job in graph.jobs():
        if job.name not in stages:
            continue
        for output, path_ in zip(job.stage.outputs.values(), graph.outputs(job), strict=True):
            path = Path(path_) / "file" if output.is_folder else Path(path_)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}\n")
        written = records.entries(root, graph.outputs(job))
        digests[job.path] = records.digest(written)
        inputs = {
            name: [fingerprint, digests.get(name, fingerprint), True]
            for name, fingerprint in reruns.inputs(job).items()
        }
        record = {
            "format": FORMAT,
            "stage": job.name,
            "wildcards": job.key._asdict(),
            "description": json.loads(graph.spec(job)),
            "modules": {},
            "fingerprint": reruns.fingerprint(job),
            "inputs": inputs,
            "reproducible": True,
            "outputs": written,
            "digest": digests[job.path],
            "seconds": 1.0,
            "finished": 0.0,
        }
        path = Path(graph.record(job))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(canonical_json(record))


def run(command: list[str], folder: Path) -> Measured:
    """Runs a command to its end; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds, cpu, kilobytes, status, said = json.loads(done.stdout)
    if status:
        sys.exit(f"{' '.join(command)[:300]} failed:\n{said[-3000:]}")
    return Measured(seconds, cpu, kilobytes * 1024 / GIB, said)


def show(
    what: str,
    found: Measured,
    seconds: float | None = None,
    memory: float | None = None,
    against: Measured | None = None,
) -> Measured:
    """Prints a row; returns what it shows."""
    goals = []
    if seconds is not None:
        goals.append(f"{seconds:.0f} s: {_said(found.seconds <= seconds)}")
    if memory is not None:
        goals.append(f"{memory:.0f} GB: {_said(found.memory * GIB <= memory * 1e9)}")
    if against is not None:
        ratio = found.seconds / against.seconds
        goals.append(f"1.5 × bare: {_said(ratio <= 1.5)} ({ratio:.2f})")
    row = f"{what:<44}{found.seconds:>9.1f}{found.cpu:>9.1f}{found.memory:>7.2f}"
    print(f"{row}   {', '.join(goals)}".rstrip(), flush=True)
    return found


def _said(reached: bool) -> str:
    return "reached" if reached else "missed"


if __name__ == "__main__":
    main()
