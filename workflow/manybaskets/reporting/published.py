"""A cell of a study as its folder of results describes it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manybaskets.config.models import Model
from manybaskets.config.study import StudyConfig
from manybaskets.dag.locks import running_study
from manybaskets.files import InputError, read_json
from manybaskets.study.keys import Cell

OF_CELL = re.compile(
    r"(?P<root>.+)/cells/(?P<target>[^/]+)/(?P<mix>[^/]+)/seed=(?P<seed>\d+)"
    r"(/generation=(?P<generation>\d+))?"
)


@dataclass(frozen=True)
class Published:
    """A cell of a study with finished results below `root`."""

    root: Path
    config: StudyConfig
    cell: Cell

    @property
    def folder(self) -> Path:
        """The folder of the cell's results."""
        return self.root / self.cell.path

    @property
    def base(self) -> Model:
        """The target's entry in the config."""
        return self.config.models[self.cell.target]


def of_folder(folder: Path) -> Published:
    """The cell with its results in `folder`.

    Raises InputError for a folder that is not of a cell of a study.
    """
    place = folder.resolve()
    names = OF_CELL.fullmatch(place.as_posix())
    if names is None:
        raise InputError(
            f"{folder}: not the folder of a cell. Name results/<study>/cells/<target>/<mix>/seed=N "
            "(in a loop, its generation's)."
        )
    root = Path(names["root"])
    cell = Cell(names["target"], names["mix"], int(names["seed"]), int(names["generation"] or 0))
    return Published(root, running_study(root).config, cell)


def record_of(published: Published, path: str) -> dict[str, Any]:
    """A record of the study; raises InputError where there is none."""
    try:
        record: dict[str, Any] = read_json(published.root / "records" / path)
    except (OSError, ValueError):
        raise InputError(
            f"{published.root}/records/{path}: there is no record of how the adapter was made. "
            "Start snakemake again to repeat the job."
        ) from None
    return record
