"""Runs an eigenvalue study, or one of its jobs."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

HELP = "Trains transformers on eigenvalues, and on selected labels of other transformers."
# The study sets the number of threads; nested BLAS threads would compete for the same cores.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
STEPS = ("generator", "labels", "student", "findings", "figures")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--configfile",
        type=Path,
        default="resources/studies/eigenvalues.yaml",
        help="config of the study (default: %(default)s)",
    )
    parser.add_argument("--step", choices=STEPS, help="one job; default: the whole study")
    parser.add_argument("--spec", type=json.loads, help="settings of the job, as JSON")
    parser.add_argument(
        "--inputs", type=Path, nargs="*", default=[], help="results of earlier jobs"
    )
    parser.add_argument("--reference", type=Path, nargs="?", help="CSV of published accuracies")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")


def run(options: argparse.Namespace) -> None:
    """Runs one job, or the whole study, and writes the results to the output folder."""
    if options.step in ("generator", "labels", "student"):
        compute(options.step, options.spec, options.inputs, options.output)
    elif options.step == "findings":
        tabulate(options.spec, options.inputs, options.reference, options.output)
    elif options.step == "figures":
        draw(options.spec, options.output)
    else:
        run_study(options.configfile, options.output)


def compute(step: str, spec: dict[str, Any], inputs: list[Path], folder: Path) -> None:
    """Writes <step>.safetensors and <step>.json.

    The input of `labels` is the weights of a generator; that of `student` is a generator's labels.
    """
    import torch
    from safetensors.numpy import load_file, save_file

    from manybaskets.devices import lease
    from manybaskets.files import file_for_person, indented_json, write_for_person
    from manybaskets.simulations.eigenvalues import generators, students

    def report(point: dict[str, Any]) -> None:
        print(json.dumps(point), flush=True)

    with lease():
        torch.set_num_threads(spec["threads"])
        if step == "generator":
            arrays, summary = generators.generator(spec, report)
        elif step == "labels":
            arrays, summary = generators.labels(spec, load_file(inputs[0]))
        else:
            arrays, summary = students.student(spec, load_file(inputs[0]), report)
    with file_for_person(folder / f"{step}.safetensors") as beside:
        save_file(arrays, beside)
    write_for_person(folder / f"{step}.json", indented_json(summary))
    print(json.dumps({key: value for key, value in summary.items() if key != "curve"}))


def tabulate(
    spec: dict[str, Any], inputs: list[Path], reference: Path | None, folder: Path
) -> None:
    """Writes the tables of the study as CSV, and prints a summary.

    The tables are accuracy, comparisons, selections, decoding and ranking.
    """
    import pandas as pd

    from manybaskets.files import file_for_person, read_json
    from manybaskets.simulations.eigenvalues import findings

    published = pd.read_csv(reference) if reference else None
    tables = findings.tables(spec, [read_json(path) for path in inputs], published)
    for name, table in tables.items():
        with file_for_person(folder / f"{name}.csv") as beside:
            table.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    print("\n".join(findings.sentences(spec, tables)))


def draw(spec: dict[str, Any], folder: Path) -> None:
    """Draws the figures from the tables in a folder, as SVG and PNG."""
    import matplotlib as mpl
    import pandas as pd

    from manybaskets.figures import style
    from manybaskets.simulations.eigenvalues import figures

    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    with mpl.rc_context(style.STYLE):
        for name, draw_one in figures.FIGURES.items():
            figure = draw_one(tables, spec)
            style.freeze(figure)
            metadata = {"Date": None, "Creator": None, "Title": name}
            figure.savefig(folder / f"{name}.svg", metadata=metadata)
            figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})


def run_study(configfile: Path, folder: Path) -> None:
    """Runs all jobs of a study in sequence, with the same results as the workflow's rules."""
    from manybaskets.config import yaml_files
    from manybaskets.simulations.eigenvalues import study as eigenvalue_study

    study = eigenvalue_study.load(yaml_files.read(configfile), str(configfile))
    summaries = []
    for seed in study.seeds:
        of_seed = folder / f"seed={seed}"
        compute("generator", study.job_spec("generator", seed), [], of_seed)
        weights = of_seed / "generator.safetensors"
        compute("labels", study.job_spec("labels", seed), [weights], of_seed)
        summaries += [of_seed / "generator.json", of_seed / "labels.json"]
        for arm in study.eigenvalues.arms:
            spec, labels = study.job_spec("student", seed, arm), of_seed / "labels.safetensors"
            compute("student", spec, [labels], of_seed / arm)
            summaries.append(of_seed / arm / "student.json")
    spec, reference = study.job_spec("findings"), study.eigenvalues.reference
    tabulate(spec, summaries, Path(reference) if reference else None, folder / "findings")
    draw(spec, folder / "findings")
