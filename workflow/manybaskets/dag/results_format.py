"""The format of a results folder. Folders of another version are refused, never rebuilt.

`study.json` and every record contain the format. Version 0.1 wrote neither.
"""

from pathlib import Path
from typing import Any

from manybaskets.config.base import ConfigError
from manybaskets.config.study import StudyConfig
from manybaskets.files import read_json

FORMAT = 2
FIRST = 1  # manybaskets 0.1: study.json and records without `format`


def study_file(config: StudyConfig) -> dict[str, Any]:
    """The content of `study.json`. Its order matters: it assigns quarters to origins."""
    return {"format": FORMAT, **config.model_dump(mode="json")}


def read_study_file(root: Path) -> dict[str, Any]:
    """The config in `study.json`; raises ConfigError where there is none of this format."""
    path = root / "study.json"
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file. Start the study with snakemake.")
    check(root)
    config: dict[str, Any] = read_json(path)
    return {key: value for key, value in config.items() if key != "format"}


def check(root: Path) -> None:
    """Raises ConfigError where a folder contains results of another format. Changes nothing."""
    written = format_of(root)
    if written is None or written == FORMAT:
        return
    writer = "manybaskets 0.1" if written == FIRST else f"another version (format {written})"
    raise ConfigError(
        f"{root}: this folder contains results of {writer}. This version writes format {FORMAT} "
        "and cannot use them; it would have to compute everything again. Nothing was changed. "
        f"To keep them, move the folder (mv {root} {root}-old); or choose another name (study: …, "
        "or --config study=NAME). Then start again."
    )


def format_of(root: Path) -> int | None:
    """The format of the results in a folder; None where there are none."""
    study = _content(root / "study.json")
    if study is not None:
        return int(study.get("format", FIRST))
    for path in sorted(root.glob("records/**/*.json")):
        record = _content(path)
        if record is not None:
            return int(record.get("format", FIRST))
    return None


def _content(path: Path) -> dict[str, Any] | None:
    """The content of a JSON file; None where it is missing or damaged."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
