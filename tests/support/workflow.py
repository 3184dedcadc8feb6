"""Snakemake on this repository's workflow, with the interpreter of the tests."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


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
