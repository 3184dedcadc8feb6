"""Runs a study of eigenvalues, or one of its jobs."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

HELP = "Trains transformers on eigenvalues, and on each other's: what does selection of labels do?"
# Threads are the study's to say; those of a BLAS would wait for each other.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
STEPS = ("generator", "labels", "student", "findings", "figures")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--configfile", type=Path, default="resources/studies/eigenvalues.yaml")
    parser.add_argument("--step", choices=STEPS, help="one job; by default the whole study")
    parser.add_argument("--spec", type=json.loads, help="what determines the job")
    parser.add_argument("--inputs", type=Path, nargs="*", default=[])
    parser.add_argument("--reference", type=Path, nargs="?", help="published figures")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")


def run(options: argparse.Namespace) -> None:
    """Writes what the job makes into the folder."""
    if options.step in ("generator", "labels", "student"):
        compute(options.step, options.spec, options.inputs, options.output)
    elif options.step == "findings":
        tabulate(options.spec, options.inputs, options.reference, options.output)
    elif options.step == "figures":
        draw(options.spec, options.output)
    else:
        everything(options.configfile, options.output)


def compute(step: str, spec: dict[str, Any], inputs: list[Path], folder: Path) -> None:
    """Writes <step>.safetensors and <step>.json; a student's inputs are its generator's labels."""
    import torch
    from safetensors.numpy import load_file, save_file

    from manybaskets.devices import lease
    from manybaskets.files import whole_file, write_json
    from manybaskets.simulations.eigenvalues import generators, students

    def report(point: dict[str, Any]) -> None:
        print(json.dumps(point), flush=True)

    with lease():
        torch.set_num_threads(spec["threads"])
        if step == "generator":
            arrays, found = generators.generator(spec, report)
        elif step == "labels":
            arrays, found = generators.labels(spec, load_file(inputs[0]))
        else:
            arrays, found = students.student(spec, load_file(inputs[0]), report)
    with whole_file(folder / f"{step}.safetensors") as beside:
        save_file(arrays, beside)
    write_json(folder / f"{step}.json", found)
    print(json.dumps({key: value for key, value in found.items() if key != "curve"}))


def tabulate(
    spec: dict[str, Any], inputs: list[Path], reference: Path | None, folder: Path
) -> None:
    """Writes the tables: accuracy.csv, comparisons.csv, selections.csv, decoding.csv."""
    import pandas as pd

    from manybaskets.files import read_json, whole_file
    from manybaskets.simulations.eigenvalues import findings

    published = pd.read_csv(reference) if reference else None
    tables = findings.tables(spec, [read_json(path) for path in inputs], published)
    for name, table in tables.items():
        with whole_file(folder / f"{name}.csv") as beside:
            table.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    print("\n".join(findings.sentences(spec, tables)))


def draw(spec: dict[str, Any], folder: Path) -> None:
    """Draws the figures of the tables in a folder."""
    import matplotlib as mpl
    import pandas as pd

    from manybaskets.figures import style
    from manybaskets.simulations.eigenvalues import figures

    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    with mpl.rc_context(style.STYLE):
        for name, draw_one in figures.FIGURES.items():
            figure = draw_one(tables, spec)
            style.freeze(figure)
            named = {"Date": None, "Creator": None, "Title": name}
            figure.savefig(folder / f"{name}.svg", metadata=named)
            figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})


def everything(configfile: Path, folder: Path) -> None:
    """The whole study, one job after the other, as the rules would make it."""
    from manybaskets.config import validation
    from manybaskets.simulations.eigenvalues import study as eigenvalue_study

    study = eigenvalue_study.load(validation.read(configfile), str(configfile))
    made = []
    for seed in study.seeds:
        place = folder / f"seed={seed}"
        compute("generator", study.described("generator", seed), [], place)
        weights = place / "generator.safetensors"
        compute("labels", study.described("labels", seed), [weights], place)
        made += [place / "generator.json", place / "labels.json"]
        for arm in study.eigenvalues.arms:
            spec, labelled = study.described("student", seed, arm), place / "labels.safetensors"
            compute("student", spec, [labelled], place / arm)
            made.append(place / arm / "student.json")
    spec, reference = study.described("findings"), study.eigenvalues.reference
    tabulate(spec, made, Path(reference) if reference else None, folder / "findings")
    draw(spec, folder / "findings")
