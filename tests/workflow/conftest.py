"""A micro study that has been run through Snakemake, with the real engine and real training."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.paths import ROOT
from tests.support.workflow import snakemake
from tests.support.workspace import Workspace, fresh_workspace

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which the micro study was run to its end; nothing may change in it.

    All of pytest's workers share one: the first that needs it makes it.
    """
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    directory = shared / "a study with spaces"
    with FileLock(shared / "micro.lock"):
        if not directory.exists():
            directory.mkdir()
            done = snakemake(directory, "--configfile", str(ROOT / "tests/workflow/micro.yaml"))
            (directory / "said").write_text(done.stdout, encoding="utf-8")
            (directory / "returncode").write_text(str(done.returncode))
    assert (directory / "returncode").read_text() == "0", (directory / "said").read_text()[-6000:]
    return directory


@pytest.fixture
def workspace(micro: Path, tmp_path: Path) -> Workspace:
    """A checkout and a copy of the finished micro study, both of which a test may edit."""
    workspace = fresh_workspace(tmp_path)
    shutil.copytree(micro / "results", workspace.directory / "results")
    return workspace
