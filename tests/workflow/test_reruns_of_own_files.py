"""Edits of a study of the user's own files, whose steps need neither an engine nor a training."""

import shutil
from pathlib import Path

import pytest

from manybaskets.files import read_json, write_jsonl
from tests.support.workspace import Workspace, assert_reruns, fresh_workspace
from tests.workflow.edits.own_files import TABLE

ROWS = [{"q": f"Question {n} about lists?", "a": f"Answer {n} is long enough."} for n in range(60)]


@pytest.fixture(scope="session")
def own_study(micro: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of the user's own files, run up to its mixes; no test may edit it."""
    place = tmp_path_factory.mktemp("own")
    workspace = fresh_workspace(place)
    folder = workspace.directory
    folder.mkdir()
    shutil.copytree(micro / "results/micro/models/wren", folder / "own model")
    write_jsonl(folder / "human.jsonl", ROWS)
    for name in ("one", "two"):
        answers = [{"prompt": row["q"], "response": f"{name}: {row['a']}"} for row in ROWS]
        write_jsonl(folder / f"{name}.jsonl", answers)
    with_own_config(workspace).make()
    return place


@pytest.fixture
def own_files(own_study: Path, tmp_path: Path) -> Workspace:
    """A copy of the study: mixes of two recorded sources, matched in tokens of a local model."""
    workspace = fresh_workspace(tmp_path)
    shutil.copytree(own_study / "study", workspace.directory)
    return with_own_config(workspace)


def with_own_config(workspace: Workspace) -> Workspace:
    workspace.config = {
        "study": "own",
        "seeds": [1, 2],
        "dataset": {
            **{"file": "human.jsonl", "fields": {"prompt": "q", "response": "a"}},
            **{"train": 40, "test": 20},
        },
        "models": {"mine": {"path": "own model"}},
        "sources": {name: {"recorded": f"{name}.jsonl"} for name in ("one", "two")},
        "targets": ["mine"],
        "mixes": {
            "human": {"origins": {"human": 1}},
            "multi": {"origins": {"one": 0.5, "two": 0.5}},
            "first": {"origins": {"one": 1}},
            "picked": {
                "origins": {"one": 0.5, "two": 0.5},
                "select": {
                    **{"top": 0.8, "samples": 1, "on_shortfall": "repeat", "verifier": "reference"},
                    "control": False,  # an arm that the cases below do not count
                },
            },
        },
        **{"rows": 30, "match": "tokens", "tokens": 150},
    }
    workspace.targets = [
        f"results/own/mixes/{mix}/seed={seed}.jsonl"
        for mix in ("human", "multi", "first", "picked")
        for seed in (1, 2)
    ]
    return workspace


@pytest.mark.parametrize("edit", TABLE)
def test_an_edit_of_own_files_runs_the_jobs_it_touches(own_files: Workspace, edit: str) -> None:
    assert_reruns(own_files, *TABLE[edit])


def test_more_answers_of_a_source_leave_other_mixes_as_they_are(own_files: Workspace) -> None:
    """A mix that needs more answers gets them; the other mixes are not built again."""
    records = own_files.directory / "results/own/records"
    unchanged = [
        records / f"{path}/seed=1.json" for path in ("build_mix/first", "score_responses/picked")
    ]
    before = [read_json(path)["finished"] for path in unchanged]
    own_files.config["mixes"]["multi"]["origins"] = {"one": 0.25, "two": 0.75}
    own_files.make()
    assert own_files.planned() == set()
    assert [read_json(path)["finished"] for path in unchanged] == before
