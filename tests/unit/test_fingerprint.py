"""Code identity: what changes it and what does not."""

from pathlib import Path

import pytest

from manybaskets import fingerprint

MODULE = '''"""Docstring."""
import json
from typing import TYPE_CHECKING
from pkg import other
if TYPE_CHECKING:
    import torch

def f(x):
    """What f does."""
    # a comment
    return x + 1
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pkg"
    folder.mkdir()
    (folder / "main.py").write_text(MODULE)
    (folder / "other.py").write_text("import yaml\nfrom pkg.third import thing\n")
    (folder / "third.py").write_text("thing = 1\n")
    (folder / "apart.py").write_text("x = 1\n")
    monkeypatch.setattr(fingerprint, "PACKAGE", folder)
    monkeypatch.setattr(fingerprint, "NAME", "pkg")
    return folder


def identity() -> dict[str, str]:
    for cached in (fingerprint._tree, fingerprint._module_hash, fingerprint._imports):
        cached.cache_clear()
    return fingerprint.code("main")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "# a comment", "# another"),
        ("main.py", "What f does.", "What f really does."),
        ("main.py", "return x + 1", "return (x  +  1)"),
        ("main.py", '"""Docstring."""\n', ""),
        ("main.py", "import torch", "import transformers"),
        ("apart.py", "x = 1", "x = 2"),
    ],
)
def test_what_does_not_matter_does_not_change_it(
    package: Path, file: str, old: str, new: str
) -> None:
    before = identity()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert identity() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "x + 1", "x + 2"),
        ("main.py", "def f(x)", "def f(x, y=0)"),
        ("third.py", "thing = 1", "thing = 2"),
        ("other.py", "import yaml\n", "import yaml\nimport pkg.apart\n"),
    ],
)
def test_what_matters_changes_it(package: Path, file: str, old: str, new: str) -> None:
    before = identity()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert identity()["source"] != before["source"]


def test_versions_of_packages_from_outside_are_part_of_it(package: Path) -> None:
    import yaml

    assert identity()["packages"] == f"yaml=={yaml.__version__}"


def test_a_step_that_starts_vllm_depends_on_its_version() -> None:
    for cached in (fingerprint._tree, fingerprint._module_hash, fingerprint._imports):
        cached.cache_clear()
    assert "vllm==" in fingerprint.code("commands.respond")["packages"]
    assert "vllm==" not in fingerprint.code("commands.collapse")["packages"]
