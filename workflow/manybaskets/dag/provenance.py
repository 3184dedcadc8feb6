"""The provenance of a cell, from the records of its jobs: seconds by stage, hashes, versions.

Reads `records/` below a study's results. Without records it is empty.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from manybaskets.stages.registry import ALL
from manybaskets.study import keys
from manybaskets.study.keys import Cell

SHOWN = 16  # digits of a hash


class Provenance:
    """The provenance of every cell of a study; cells refer to `versions` by their index."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.versions: list[str] = []

    def of(self, cell: Cell) -> dict[str, Any]:
        """Returns the recorded seconds by stage, hashes, and the index of the package versions.

        Only stages that run once a cell: the cost of a cell does not include what it shares with
        others (sources, training set).
        """
        place = f"{keys.place(cell)}.json"
        seconds: dict[str, float] = {}
        provenance: dict[str, Any] = {"seconds": seconds}
        for stage in self._stages:
            record = self._read(f"{stage}/{place}")
            if isinstance(record.get("seconds"), int | float):
                seconds[stage] = round(float(record["seconds"]), 1)
            if stage == "train":
                provenance["adapter"] = _hash(record, ".safetensors")
                provenance["versions"] = self._version(record)
        training_set = f"build_mix/{cell.mix}/seed={cell.seed}.json"
        rows = self._read(f"loop_mix/{place}" if cell.generation > 1 else training_set)
        provenance["rows"] = _hash(rows, f"{cell.training_set}.jsonl")
        return {name: value for name, value in provenance.items() if value not in (None, {})}

    @cached_property
    def _stages(self) -> list[str]:
        """Returns the stages that run once a cell and have records, in the order of a study."""
        per_cell = [stage.name for stage in ALL if stage.key is Cell]
        return [name for name in per_cell if (self.root / "records" / name).is_dir()]

    def _read(self, path: str) -> dict[str, Any]:
        try:
            record = json.loads((self.root / "records" / path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _version(self, record: dict[str, Any]) -> int | None:
        try:
            packages = str(record["description"]["code"]["packages"])
        except (KeyError, TypeError):
            return None
        if packages not in self.versions:
            self.versions.append(packages)
        return self.versions.index(packages)


def _hash(record: dict[str, Any], ending: str) -> str | None:
    """Returns the first digits of the SHA-256 of the output with this ending."""
    outputs = record.get("outputs")
    for path, entry in outputs.items() if isinstance(outputs, dict) else ():
        if path.endswith(ending) and isinstance(entry, list) and len(entry) == 3:
            return str(entry[2])[:SHOWN]
    return None
