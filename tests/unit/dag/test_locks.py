"""Another user cannot open, and so not lock, the locks of a study."""

import stat
from pathlib import Path

from manybaskets.dag import locks


def test_locks_are_the_owners_also_those_of_earlier_versions(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records/run.lock").touch(0o644)
    locks.begin(tmp_path)
    with locks.at_work(tmp_path):
        for name in ("run", "jobs"):
            mode = (tmp_path / f"records/{name}.lock").stat().st_mode
            assert stat.S_IMODE(mode) == 0o600
    assert (tmp_path / "records/run.lock").read_text().startswith("process ")
