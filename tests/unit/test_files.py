"""Writes are atomic, and errors about unusable files name the line and the remedy."""

import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from manybaskets import files
from manybaskets.files import MAX_MESSAGE, InputError, read_json, read_jsonl, whole_directory


def test_a_failed_write_leaves_nothing_new_and_keeps_the_old(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.whole_file(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_a_failed_directory_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.whole_directory(tmp_path / "model") as beside:
        (beside / "weights").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_directory_replaces_the_old_one_entirely(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with files.whole_directory(tmp_path / "model") as beside:
            (beside / name).write_text(name)
    assert [p.name for p in (tmp_path / "model").iterdir()] == ["two"]


def test_written_files_are_readable_like_any_other(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    mode = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert mode[0] == mode[1]


def test_canonical_json_does_not_depend_on_key_order() -> None:
    assert files.canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.canonical_json(float("nan"))


def test_rows_survive_the_round_trip(tmp_path: Path) -> None:
    rows = [{"prompt": "ü\u2028\n", "n": 1}, {"prompt": "", "n": None}]
    files.write_jsonl(tmp_path / "rows.jsonl", rows)
    assert files.read_jsonl(tmp_path / "rows.jsonl") == rows


def test_an_array_of_rows_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"a": 1}, {"a": 2}]')
    assert files.read_jsonl(tmp_path / "rows.json", ["a"]) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b'{"prompt": "\xff"}', "not UTF-8 at byte 12"),
        (b'{"prompt": "a"}\n{"prompt": \n', "line 2: not JSON"),
        (b'{"prompt": "a"}\n[1]\n', "line 2: found a list"),
        (b'{"prompt": "a"}\n\n{"other": 1}\n', "line 3: the field 'prompt' is missing"),
    ],
)
def test_a_bad_file_is_named_with_its_line(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(files.InputError) as caught:
        files.read_jsonl(path, ["prompt"])
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_restricted_rows_are_their_owner_s_and_so_are_the_folders_above(tmp_path: Path) -> None:
    top = tmp_path / "restricted"
    (top / "labels").mkdir(parents=True)
    top.chmod(0o755)
    files.restricted_jsonl(top / "labels" / "a.jsonl", [{"x": "é"}])
    assert (top / "labels" / "a.jsonl").stat().st_mode & 0o777 == 0o600
    assert {p.stat().st_mode & 0o777 for p in (top, top / "labels")} == {0o700}
    assert files.read_jsonl(top / "labels" / "a.jsonl") == [{"x": "é"}]


def test_a_device_a_fifo_and_hard_links_are_written_through(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_text()))
    reader.start()
    files.write_for_person(fifo, "labels\n")
    reader.join()
    assert received == ["labels\n"] and stat.S_ISFIFO(fifo.stat().st_mode)
    files.write_for_person(Path("/dev/null"), "labels\n")
    assert Path("/dev/null").is_char_device()
    (tmp_path / "one").write_text("old")
    os.link(tmp_path / "one", tmp_path / "other")
    files.write_for_person(tmp_path / "other", "new")
    assert (tmp_path / "one").read_text() == "new"


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("target")
    files.write_for_person(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    missing = tmp_path / "dangling"
    missing.symlink_to("later")
    files.write_for_person(missing, "new")
    assert missing.is_symlink() and (tmp_path / "later").read_text() == "new"


def test_a_file_of_a_person_stays_when_its_writer_fails(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), files.file_for_person(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [".", "file/below", "loop", "x" * 300])
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="Name a"):
        files.write_for_person(tmp_path / name, "text")
    assert (tmp_path / "loop").is_symlink()


def test_a_fifo_without_a_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "READER_SECONDS", 0.1)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="no process reads this FIFO"):
        files.write_for_person(tmp_path / "fifo", "text")


def test_linked_directory_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    other_disk = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    (other_disk / "weights").write_text("years")
    (tmp_path / "model").symlink_to(other_disk)
    with whole_directory(tmp_path / "model") as folder:
        (folder / "weights").write_text("new")
    assert (tmp_path / "model" / "weights").read_text() == "new"
    assert not (tmp_path / "model").is_symlink()
    assert (other_disk / "weights").read_text() == "years"
    shutil.rmtree(other_disk)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 50_000, "nested too deeply"),
        ("1" * 5000, "an integer of thousands of digits"),
        ("{", "not JSON"),
        (b"\xe4\n", "not UTF-8"),
    ],
)
@pytest.mark.parametrize("read", [read_json, read_jsonl])
def test_json_that_cannot_be_read(
    tmp_path: Path, read: Callable[[Path], object], content: str | bytes, problem: str
) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=problem) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_message_of_an_input_error_is_bounded() -> None:
    error = InputError(f"rows.jsonl: {'x' * 100_000}. Correct the row.")
    assert len(str(error)) == MAX_MESSAGE
    assert str(error).startswith("rows.jsonl: ")
    assert str(error).endswith(". Correct the row.")
