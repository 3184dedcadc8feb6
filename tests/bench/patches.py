"""CPU time and memory that each replaced part of Snakemake saves.

    python -m tests.bench.patches [--seeds N]

A dry run of a study of 2,000 cells (10 seeds), nothing built, with every speedup, without each of
them, and without any; then a run of jobs that do next to nothing, with and without Snakemake's
limit of jobs a second. CPU time of user and system and the largest process, which depend less on
what else a machine does than seconds.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from manybaskets.dag import snakemake_patches
from manybaskets.dag.graph import Graph
from manybaskets.dag.preflight import study_of
from tests.bench.scale import GIB, Measured, run, write_study
from tests.support.paths import ROOT

JOBS = 400
MIB = 1024**2
# Snakemake with all speedups but those named in the first argument.
WITHOUT = """
import sys
from manybaskets.dag import snakemake_patches as patches
from snakemake.cli import main
left_out = sys.argv.pop(1).split()
patches.SPEEDUPS[:] = [each for each in patches.SPEEDUPS if each.__name__ not in left_out]
main(sys.argv[1:])
"""
READY = """
from manybaskets.dag import snakemake_patches
from manybaskets.dag.graph import Graph
from manybaskets.dag.preflight import study_of
plan = snakemake_patches.plan_by_records(workflow, Graph(study_of(["scale.yaml"], [])))
rule all:
    input: [f"results/scale/responses/one/seed={{n}}.jsonl" for n in range({jobs})]
rule generate:
    output: "results/scale/responses/one/seed={{seed}}.jsonl"
    shell: "sleep 0.02; touch {{output}}"
onstart:
    {start}
"""


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="200 cells each")
    options = parser.parse_args()
    names = [speedup.__name__ for speedup in snakemake_patches.SPEEDUPS]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        os.chdir(folder)
        write_study(folder, 4, 49, options.seeds, ["collapse"])
        graph = Graph(study_of(["scale.yaml"], []))
        print(f"{len(graph.study.cells):,} cells, {len(list(graph.jobs())):,} jobs\n")
        print(f"{'dry run':<40}{'CPU s':>9}{'MiB':>9}", flush=True)
        show("with every speedup", planned(folder))
        for each in names:
            show(f"without {each}", planned(folder, each))
        show("without any", planned(folder, *names))
        show("with every speedup, again", planned(folder))
        print(f"\n{f'{JOBS} ready jobs':<40}{'CPU s':>9}{'MiB':>9}")
        show(
            "limit of jobs a second removed",
            scheduled(folder, "snakemake_patches.start_jobs(plan)"),
        )
        show("limit of jobs a second kept", scheduled(folder, "pass"))


def planned(folder: Path, *left_out: str) -> Measured:
    """A dry run of the study without some speedups."""
    command = [sys.executable, "-c", WITHOUT, " ".join(left_out)]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--cores", "2", "-n"]
    return run([*command, "--configfile", "scale.yaml"], folder)


def scheduled(folder: Path, start: str) -> Measured:
    """A run of jobs that are all ready at once."""
    ready = folder / start.split(".")[-1].split("(")[0]
    ready.mkdir()
    (ready / "models").symlink_to(folder / "models")
    (ready / "scale.yaml").symlink_to(folder / "scale.yaml")
    (ready / "Snakefile").write_text(READY.format(jobs=JOBS, start=start))
    profile = ["--workflow-profile", str(ROOT / "profiles/default")]
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"]
    return run([*command, *profile], ready)


def show(name: str, measured: Measured) -> None:
    """Print a row."""
    print(f"{name:<40}{measured.cpu:>9.1f}{measured.memory * GIB / MIB:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
