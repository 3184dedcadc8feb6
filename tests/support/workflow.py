"""Snakemake on this repository's workflow, with the interpreter of the tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

HUMAN_CELL = "cells/wren/human/seed=1"


def command(*arguments: str, cores: str = "all") -> list[str]:
    """The command line of Snakemake on this checkout's workflow."""
    snakefile = str(ROOT / "Snakefile")
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", snakefile),
        *("--cores", cores, *arguments),
    ]


def snakemake(
    directory: Path, *arguments: str, cores: str = "all"
) -> "subprocess.CompletedProcess[str]":
    """Runs the workflow in a directory to its end."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command(*arguments, cores=cores),
        cwd=directory,
        env=os.environ | {"PATH": path},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
        check=False,
    )


def copy_models(micro: Path, directory: Path) -> None:
    """Copies data, models and the human cell of the finished micro study, with their records.

    A study of the same name, data and models then begins with what these stages have made.
    """
    done, place = micro / "results" / "micro", directory / "results" / "micro"
    for folder in ("data", "models", "mixes/human", "records", f"{HUMAN_CELL}/adapter"):
        shutil.copytree(done / folder, place / folder)
    shutil.copy2(done / HUMAN_CELL / "training.json", place / HUMAN_CELL)
