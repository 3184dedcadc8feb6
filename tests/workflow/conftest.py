"""A micro study that has been run through Snakemake, with the real engine and real training."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def snakemake(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs the workflow in a directory, with the interpreter of the tests."""
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(directory), "--cores", "all", *arguments),
        ],
        cwd=directory,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which the micro study was run to its end."""
    directory = tmp_path_factory.mktemp("a study with spaces")
    done = snakemake(directory, "--configfile", str(ROOT / "tests/workflow/micro.yaml"))
    assert done.returncode == 0, done.stdout[-6000:]
    return directory
