"""The folder for caches, also of users without a home directory."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from manybaskets.paths import cache_folder


def test_folder_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/manybaskets")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/wren")
    assert cache_folder() == Path("/home/wren/.cache/manybaskets")


def test_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert cache_folder() is None


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_output_need_not_be_utf_8(tmp_path: Path, encoding: str) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "response": "one two three"}\n' * 3)
    result = subprocess.run(
        [sys.executable, "-m", "manybaskets", "measure", "--embedder", "none", str(rows)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
