"""Studies to be disturbed, and how to run them on two cores."""

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from manybaskets.files import write_jsonl
from tests.support import workflow
from tests.support.engines import own_runtime_directory
from tests.support.paths import ROOT

MICRO = ROOT / "tests/workflow/micro.yaml"
ROWS = [
    {"prompt": f"Question {n} on lists?", "response": f"Answer {n} is this."} for n in range(80)
]
# Mixes of recorded answers: nothing of it needs a model.
OWN = {
    "study": "own",
    "seeds": [1, 2],
    "dataset": {"file": "human.jsonl", "train": 60, "test": 20},
    "models": {"wren": {"scratch": {"family": "llama", "documentation": ["scipy"]}}},
    "sources": {name: {"recorded": f"{name}.jsonl"} for name in ("one", "two")},
    "targets": ["wren"],
    "mixes": {
        "human": {"origins": {"human": 1}},
        "multi": {"origins": {"one": 0.5, "two": 0.5}},
    },
    "rows": 50,
}
MIXES = [f"results/own/mixes/{mix}/seed={seed}.jsonl" for mix in OWN["mixes"] for seed in (1, 2)]  # type: ignore[attr-defined]


command = functools.partial(workflow.command, cores="2")
snakemake = functools.partial(workflow.snakemake, cores="2")


def make_mixes(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs the study of recorded answers up to its mixes."""
    return snakemake(directory, *arguments, "--configfile", "own.yaml", "--", *MIXES)


def contents(directory: Path) -> dict[str, bytes]:
    """The results of a study, without what tells when, where and how long it was run."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted((directory / "results").rglob("*"))
        if path.is_file()
        and not {"logs", "records"} & set(path.parts)
        and path.name not in (".snakemake_timestamp", "report.html")
    }


def write_own_study(directory: Path) -> None:
    """The files of the study of recorded answers."""
    directory.mkdir(parents=True, exist_ok=True)
    write_jsonl(directory / "human.jsonl", ROWS)
    for name in ("one", "two"):
        answers = [row | {"response": f"{name}: {row['response']}"} for row in ROWS]
        write_jsonl(directory / f"{name}.jsonl", answers)
    (directory / "own.yaml").write_text(yaml.safe_dump(OWN, sort_keys=False))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A directory with the study of recorded answers, not run yet."""
    write_own_study(tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture(scope="session", autouse=True)
def own_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Engines of these tests live in a directory of their own, which is empty in the end."""
    with own_runtime_directory("faults") as runtime:
        yield runtime
