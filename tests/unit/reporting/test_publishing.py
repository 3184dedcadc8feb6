"""Publishing replaces only what an earlier publication wrote."""

from pathlib import Path
from typing import Any

import pytest

from manybaskets.files import InputError, write_json, write_text
from manybaskets.reporting import publishing
from manybaskets.reporting.published import Published


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The texts of the three files; the adapter itself is tested with the model card."""
    texts = dict.fromkeys(publishing.FILES, "first")

    def write(published: Published, folder: Path, name: str) -> None:
        for file, text in texts.items():
            write_text(folder / file, text)

    monkeypatch.setattr(publishing, "write", write)
    return texts


def publish(folder: Path, published: Any = None) -> None:
    publishing.publish(published, folder, "name")


def test_a_new_an_empty_and_an_earlier_folder_are_filled(
    content: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "new/adapter"
    publish(folder)
    content["README.md"] = "second"
    publish(folder)
    assert (folder / "README.md").read_text() == "second"
    expected = sorted([*publishing.FILES, publishing.MARKER])
    assert sorted(path.name for path in folder.iterdir()) == expected
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    publish(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "empty/README.md").is_file()


def test_the_folder_of_the_command_may_be_the_output(
    content: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(Path())
    assert (tmp_path / "README.md").is_file()


def test_other_files_are_refused_and_stay(content: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.tex").write_text("years")
    with pytest.raises(InputError, match=r"contains thesis and is not an earlier"):
        publish(tmp_path)
    assert (tmp_path / "thesis/chapter1.tex").read_text() == "years"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]
    with pytest.raises(InputError, match="not a folder"):
        publish(tmp_path / "thesis/chapter1.tex")


def test_files_of_a_publication_that_a_person_edited_stay(
    content: dict[str, str], tmp_path: Path
) -> None:
    publish(tmp_path)
    (tmp_path / "LICENSE").write_text("mine")
    publish(tmp_path)
    assert (tmp_path / "LICENSE").read_text() == "mine"
    (tmp_path / "README.md").write_text("edited")
    with pytest.raises(InputError, match=r"README\.md was modified"):
        publish(tmp_path)
    assert (tmp_path / "README.md").read_text() == "edited"


@pytest.mark.parametrize("marker", [[], "text", {"README.md": 1}])
def test_a_marker_of_another_shape_does_not_let_files_be_replaced(
    content: dict[str, str], tmp_path: Path, marker: Any
) -> None:
    write_json(tmp_path / publishing.MARKER, marker)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(InputError):
        publish(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
