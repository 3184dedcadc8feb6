"""The import contracts of pyproject.toml hold, and an import against them is found."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def _lint(workflow: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(
        [*command, str(ROOT / "pyproject.toml")],
        cwd=workflow,
        env=os.environ | {"PYTHONPATH": str(workflow)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_module_imports_a_higher_layer() -> None:
    result = _lint(ROOT / "workflow")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("metrics/rouge.py", "import manybaskets.findings.contrasts"),
        ("config/base.py", "from manybaskets.cli import main"),
        ("probes/collapse/likelihood.py", "import manybaskets.probes.robustness.judges"),
        ("findings/power.py", "import manybaskets.dag.records"),
    ],
)
def test_an_import_of_a_higher_layer_is_found(tmp_path: Path, module: str, statement: str) -> None:
    package = tmp_path / "manybaskets"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow" / "manybaskets", package, ignore=ignored)
    with (package / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    result = _lint(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    importing = "manybaskets." + module.removesuffix(".py").replace("/", ".")
    assert f"{importing} -> manybaskets." in result.stdout
