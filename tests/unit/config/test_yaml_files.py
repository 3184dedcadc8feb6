"""Config files of any content: a mapping of texts, or one short sentence with file and fix."""

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from manybaskets.config import validation, yaml_files
from manybaskets.config.base import ConfigError
from manybaskets.dag import preflight

LEVELS = "abcdefghijkl"


def bomb(levels: int) -> str:
    """Lists of eight aliases to the level below: 8 to the power of `levels` values."""
    lines = [f"a: &a [{','.join('x' * 8)}]"]
    for below, level in itertools.pairwise(LEVELS[:levels]):
        lines.append(f"{level}: &{level} [{','.join([f'*{below}'] * 8)}]")
    return "\n".join(lines)


def message(text: str) -> str:
    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        yaml_files.parse(text, "my.yaml")
    assert time.process_time() - began < 2
    assert str(caught.value).startswith("my.yaml: not readable as YAML: ")
    assert len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("? [a, b]\n: 1\n", "line 1: a list or a mapping is used as a key"),
        ("? {a: 1}\n: 1\n", "line 1: a list or a mapping is used as a key"),
        ("mixes:\n  yes: 1\n", "line 2: the key yes is not a text"),
        ("mixes:\n  null: 1\n", "Write it in quotes: 'null'"),
        ('mixes:\n  1.0: 1\n  "1.0": 2\n', "the key 1.0 is not a text"),
        ("a: 1\nb: 2\na: 3\n", "duplicate key 'a' on lines 1 and 3"),
        ("rows: " + "1" * 5000, "an integer of thousands of digits"),
        ("question: " + "[" * 150 + "]" * 150, "nested more than 100 deep"),
        ("question: " + "[" * 3000 + "]" * 3000, "nested more than 100 deep"),
        ("question: " + "{a: " * 3000 + "}" * 3000, "nested more than 100 deep"),
        ("question: &a [*a]", "a value contains itself"),
        ("question: &a {b: {c: *a}}", "a value contains itself"),
        ('question: "\\ud83d"', "half a surrogate pair or NUL"),
        ('question: "a\\0b"', "half a surrogate pair or NUL"),
        ("question: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("date: 2024-13-45", "month"),
        ("<<: [1, 2]", "expected a mapping"),
        ("a: [1", "expected"),
        ("a: *b", "undefined alias"),
        ("--- {}\n--- {}\n", "another document"),
    ],
)
def test_yaml_that_is_refused(text: str, expected: str) -> None:
    assert expected in message(text)


@pytest.mark.parametrize("levels", [6, 7, 9, 12])
def test_aliases_that_expand_to_many_values_are_refused(levels: int) -> None:
    assert "with every alias expanded" in message(bomb(levels))


def test_aliases_and_merges_of_usual_size_are_read() -> None:
    text = "mixes:\n  a: &m {origins: {human: 1}}\n  b: *m\n  c: {<<: *m, note: x}\n"
    mix = {"origins": {"human": 1}}
    assert yaml_files.parse(text, "my.yaml") == {
        "mixes": {"a": mix, "b": mix, "c": {**mix, "note": "x"}}
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected keys and values, found nothing"),
        (b"- a\n", "expected keys and values, found list"),
        (b"\xff\xfea\x00:\x00", "not UTF-8 at byte 1"),
        (b"question: \xe4\n", "not UTF-8 at byte 11"),
        (b"#" * (2 << 20), "larger than 1 MiB"),
    ],
)
def test_file_that_is_no_config(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as caught:
        yaml_files.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", [".", "missing.yaml", "a\0b", "x" * 5000, "file/below"])
def test_path_that_is_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("a: 1")
    with pytest.raises(ConfigError) as caught:
        yaml_files.read(tmp_path / name)
    assert len(str(caught.value)) < 500


def test_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(b"\xef\xbb\xbfstudy: x\r\n")
    assert yaml_files.read(path) == {"study": "x"}


def test_message_shows_the_beginning_of_a_value(study_config: dict[str, Any]) -> None:
    study_config["targets"] = [[["x" * 1000] * 1000] * 1000] * 3
    with pytest.raises(ConfigError) as caught:
        validation.load(study_config, "my.yaml")
    assert len(str(caught.value)) < 1000


def test_message_lists_the_first_problems(study_config: dict[str, Any]) -> None:
    study_config["targets"] = [1] * 10_000
    with pytest.raises(ConfigError, match=r"my\.yaml: 9950 more problems\.$") as caught:
        validation.load(study_config, "my.yaml")
    assert str(caught.value).count("\n") == validation.MAX_PROBLEMS


def test_infinite_number_is_refused(study_config: dict[str, Any]) -> None:
    study_config["contrasts"] = {"margins": {"distinct_1": float("inf")}}
    with pytest.raises(ConfigError, match="finite"):
        validation.load(study_config, "my.yaml")


@pytest.mark.parametrize("override", ["seeds=[1", "seeds={[a]: 1}", "seeds=&a [*a]", "seeds"])
def test_override_that_is_no_value(tmp_path: Path, override: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("study: x\n")
    with pytest.raises(ConfigError, match=r"^--config seeds: "):
        preflight.study_of([str(path)], [override])
