"""Code identity: what changes it and what does not."""

from pathlib import Path

import pytest

from manybaskets.stages import fingerprint

MODULE = '''"""Docstring."""
import json
from typing import TYPE_CHECKING
from pkg import other
from pkg.fourth import Base
if TYPE_CHECKING:
    import torch

LIMIT = 3

def f(x):
    """The job of f."""
    # a comment
    return other.used(x) + 1 + LIMIT

class C(Base):
    size: int = 1
'''
OTHER = """
import yaml
from pkg.third import thing

STARTED = []
STARTED.append(1)

def used(x):
    return inner(x)

def inner(x: int) -> int:
    from pkg.third import late
    return yaml.dump(x) + thing + late

def unused(x):
    import numpy
    return 2
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pkg"
    folder.mkdir()
    (folder / "main.py").write_text(MODULE)
    (folder / "other.py").write_text(OTHER)
    (folder / "third.py").write_text("thing = 1\nlate = 2\nelse_where = 3\n")
    (folder / "fourth.py").write_text("class Base:\n    a = 1\n\nother = 1\n")
    (folder / "apart.py").write_text("x = 1\n")
    monkeypatch.setattr(fingerprint, "PACKAGE", folder)
    monkeypatch.setattr(fingerprint, "NAME", "pkg")
    return folder


def identity() -> dict[str, str]:
    forget()
    return fingerprint.code("main")


def forget() -> None:
    for cached in vars(fingerprint).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "# a comment", "# another"),
        ("main.py", "The job of f.", "The real job of f."),
        ("main.py", "return other.used(x) + 1", "return (other.used(x)  +  1)"),
        ("main.py", "def f(x)", "def f(x: int) -> int"),
        ("main.py", '"""Docstring."""\n', ""),
        ("main.py", "import torch", "import transformers"),
        ("apart.py", "x = 1", "x = 2"),
        ("other.py", "return 2", "return 3"),
        ("other.py", "(x: int) -> int", "(x)"),
        ("third.py", "else_where = 3", "else_where = 4"),
        ("fourth.py", "other = 1", "other = 2"),
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
        ("main.py", "used(x) + 1", "used(x) + 2"),
        ("main.py", "LIMIT = 3", "LIMIT = 4"),
        ("main.py", "size: int = 1", "size: float = 1"),
        ("main.py", "def f(x)", "def f(x, y=0)"),
        ("third.py", "thing = 1", "thing = 2"),
        ("third.py", "late = 2", "late = 3"),
        ("other.py", "return inner(x)", "return inner(x, 1)"),
        ("other.py", "STARTED.append(1)", "STARTED.append(2)"),
        ("fourth.py", "a = 1", "a = 2"),
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

    assert identity()["packages"] == f"yaml=={yaml.__version__}"  # numpy is not reached


def test_the_modules_that_changed_can_be_named(package: Path) -> None:
    identity()
    before = fingerprint.modules("main")
    (package / "third.py").write_text("thing = 1\nlate = 5\n")
    identity()
    after = fingerprint.modules("main")
    assert {name for name in after if after[name] != before.get(name)} == {"third"}


def test_a_step_that_starts_vllm_depends_on_its_version() -> None:
    forget()
    assert "vllm==" in fingerprint.code("cli.steps.sample_responses")["packages"]
    assert "vllm==" not in fingerprint.code("cli.steps.collapse")["packages"]


def test_a_step_does_not_depend_on_what_parses_its_spec() -> None:
    forget()
    for step in ("train", "judge_pairs"):
        assert "pydantic" not in fingerprint.code(f"cli.steps.{step}")["packages"]
        modules = fingerprint.modules(f"cli.steps.{step}")
        assert not [name for name in modules if name.startswith(("cli.arguments", "stages."))]


def test_the_validators_of_settings_do_not_count(package: Path) -> None:
    class_with = "class S(B):\n    size: int = 1\n\n"
    validator = "    @field_validator('size')\n    def _small(cls, size):\n        return {}\n"
    identities = []
    for text in (validator.format("size"), validator.format("size or None"), "    other = 2\n"):
        (package / "third.py").write_text(f"B = object\n{class_with}{text}thing = S\nlate = 1\n")
        identities.append(identity()["source"])
    assert identities[0] == identities[1] != identities[2]


def test_judges_do_not_depend_on_the_code_that_measures_their_answers() -> None:
    forget()
    modules = fingerprint.modules("cli.steps.judge_pairs")
    assert not [
        name for name in modules if "text_question" in name or name == "probes.preference.pairs"
    ]
