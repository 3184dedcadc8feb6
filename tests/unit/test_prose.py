"""The prose check finds its phrases at the right line and leaves plain English alone."""

from pathlib import Path

import pytest

from tests.lint import prose
from tests.support.paths import ROOT

DATA = ROOT / "tests" / "data" / "prose"


def _phrases(path: Path, text: str) -> list[tuple[int, str]]:
    path.write_text(text, encoding="utf-8")
    return sorted((line, phrase) for line, phrase, _ in prose.findings(path))


@pytest.mark.parametrize("example", (DATA / "phrases.txt").read_text().splitlines())
def test_a_phrase_is_found(tmp_path: Path, example: str) -> None:
    phrase, _, sentence = example.partition(" | ")
    assert (3, phrase) in _phrases(tmp_path / "page.md", f"# Title\n\n{sentence}\n")


@pytest.mark.parametrize(
    "sentence",
    [
        "What does the origin of the data do?",
        "The value is None; there is no seed and it is no longer needed.",
        "Raises ValueError if there\n    are no n-grams.",  # prose: allow
        "Run `manybaskets what says who` and read `that stands`.",
        "The job holds a lock and takes a path. It depends on what it reads, by design.",
        "```sh\n# What is it\n```",
        "<!-- What stands here -->",
    ],
)
def test_plain_english_is_left_alone(tmp_path: Path, sentence: str) -> None:
    assert _phrases(tmp_path / "page.md", f"{sentence}\n") == []


def test_python_is_read_in_docstrings_comments_and_messages(tmp_path: Path) -> None:
    source = (DATA / "module.txt").read_text()
    expected = [(3, "is no module"), (6, "it stands"), (9, "is no cell")]  # prose: allow
    assert _phrases(tmp_path / "module.py", source) == expected


def test_only_comments_of_yaml_are_read(tmp_path: Path) -> None:
    text = "key: run anew\nb: 1  # run anew\n"  # prose: allow
    assert _phrases(tmp_path / "a.yaml", text) == [(2, "anew")]


def test_the_exit_code_and_the_line_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").write_text("It runs.\n", encoding="utf-8")
    assert prose.main([str(tmp_path)]) == 0
    (tmp_path / "b.md").write_text("It runs.\nOnce anew.\n", "utf-8")  # prose: allow
    assert prose.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{tmp_path}/b.md:2: anew -> again; fix\n"  # prose: allow
