"""The guide's commands for a finished study work on one."""

import shutil
from pathlib import Path

from tests.support import guide


def test_commands_on_a_finished_study_work(micro: Path, tmp_path: Path) -> None:
    reader = guide.Reader(tmp_path / "manybaskets")
    first = [b for page in guide.PAGES for b in guide.blocks(page) if "first.yaml" in b.mark]
    reader.do(next(b for b in first if b.mark == "config first.yaml"))
    shutil.copytree(micro / "results" / "micro", reader.place / "results" / "first")
    tried = [b for page in guide.PAGES for b in guide.blocks(page) if b.kind == "study"]
    assert tried
    for block in tried:
        reader.do(block)
