"""Docstrings of a generated package: extraction, truncation, duplicates and splits."""

import sys
from pathlib import Path

import pytest

from manybaskets.data import docstrings

SOURCE = '''
def described(a, *rest, key=1, **more):
    """Do one thing with great care.

    It takes a while and then it returns.

    Parameters
    ----------
    a : int
    """

class Holder(Base):
    """Hold a value for as long as it is needed."""

    def method(self, x: int) -> int:
        """Return what was held here, or raise an error:

        >>> 1
        """

def same():
    """do one  thing with great care.

    It takes a while and then it returns.
    """

def short():
    """Too short."""
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "birdbath"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "things.py").write_text(SOURCE)
    (folder / "broken.py").write_text("def (:")
    (folder / "tests" / "test_things.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return "birdbath"


def rows(package: str) -> list[docstrings.Documented]:
    return docstrings.without_duplicates(docstrings.documented_in(package, (5, 50)))


def test_the_description_ends_where_its_sections_begin(package: str) -> None:
    first = rows(package)[0]
    assert first.description == (
        "Do one thing with great care.\nIt takes a while and then it returns."
    )
    assert first.summary == "Do one thing with great care."
    assert first.body == "It takes a while and then it returns."
    assert first.module == "birdbath.things"


def test_signatures_hold_names_only(package: str) -> None:
    found = {row.name: row.signature for row in rows(package)}
    assert found["described"] == "def described(a, *rest, key, **more)"
    assert found["Holder"] == "class Holder(Base)"


def test_duplicates_short_ones_tests_and_broken_files_are_left_out(package: str) -> None:
    assert [row.name for row in rows(package)] == ["described", "Holder"]


def test_nothing_is_imported(package: str) -> None:
    rows(package)
    assert package not in sys.modules


def documented(package: str, module: int, row: int) -> docstrings.Documented:
    return docstrings.Documented(package, f"{package}.m{module}", str(row), "", "", "", "")


def test_modules_are_never_divided_between_splits() -> None:
    everything = [documented(p, m, r) for p in "ab" for m in range(40) for r in range(m % 5 + 1)]
    placed = docstrings.split_by_module(everything, {"test": 0.1, "train": 0.2}, seed=0)
    assert len(placed) == len(everything)
    splits: dict[str, set[str]] = {}
    for row in placed:
        splits.setdefault(row.module, set()).add(row.split)
    assert all(len(found) == 1 for found in splits.values())
    for package in "ab":
        of_package = [row.split for row in placed if row.package == package]
        assert of_package.count("test") / len(of_package) == pytest.approx(0.1, abs=0.03)
        assert of_package.count("train") / len(of_package) == pytest.approx(0.2, abs=0.03)


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(LookupError, match="'no_such_package' is not installed"):
        docstrings.documented_in("no_such_package", (5, 50))


def test_the_standard_library_has_thousands_of_descriptions() -> None:
    folder = docstrings.package_folder("stdlib")
    assert (folder / "json" / "__init__.py").is_file()
