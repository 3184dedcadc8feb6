"""Records: their content, and the changes that they detect."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from manybaskets.config import validation
from manybaskets.dag import records
from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.invalidation import Reruns, differences
from manybaskets.files import read_json
from manybaskets.study.layout import Study
from tests.support.jobs import job_of

TOKENIZER = job_of("train_tokenizer")
DOCUMENTATION = job_of("collect_docstrings")


@pytest.fixture
def graph(study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    monkeypatch.chdir(tmp_path)
    return Graph(Study(validation.load(study_config, "micro.yaml")))


def finish(graph: Graph, job: Job, content: str = "made\n", reproducible: bool = True) -> None:
    """As the step would: the output is written, and recorded."""
    spec = json.loads(graph.spec(job))
    with records.recorded(graph, job, spec, reproducible):
        for output in graph.outputs(job):
            path = Path(output)
            if path.suffix:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
            else:
                path.mkdir(parents=True, exist_ok=True)
                (path / "one.json").write_text(content)
                (path / "two.json").write_text(content)


def why(graph: Graph, job: Job) -> list[str]:
    return [str(reason) for reason in Reruns(graph).why(job)]


def test_a_finished_job_need_not_run(graph: Graph) -> None:
    assert why(graph, DOCUMENTATION) == ["never run"]
    finish(graph, DOCUMENTATION)
    assert why(graph, DOCUMENTATION) == []
    finish(graph, TOKENIZER)
    assert why(graph, TOKENIZER) == []


def test_what_is_wrong_with_an_output_is_named(graph: Graph) -> None:
    finish(graph, DOCUMENTATION)
    finish(graph, TOKENIZER)
    folder = Path(graph.outputs(TOKENIZER)[0])
    (folder / "one.json").write_text("other")
    (folder / "two.json").unlink()
    assert why(graph, TOKENIZER) == [
        f"{folder}/one.json has other content",
        f"{folder}/two.json is missing",
    ]


def test_hidden_files_in_an_output_are_ignored(graph: Graph) -> None:
    finish(graph, DOCUMENTATION)
    finish(graph, TOKENIZER)
    (Path(graph.outputs(TOKENIZER)[0]) / ".snakemake_timestamp").write_text("")
    assert why(graph, TOKENIZER) == []


def test_a_lost_result_that_comes_out_the_same_reruns_nothing_else(graph: Graph) -> None:
    finish(graph, DOCUMENTATION)
    finish(graph, TOKENIZER)
    Path(graph.outputs(DOCUMENTATION)[0]).unlink()
    assert why(graph, DOCUMENTATION)
    assert why(graph, TOKENIZER) == []


def test_a_lost_result_that_may_come_out_otherwise_reruns_what_was_made_from_it(
    graph: Graph,
) -> None:
    finish(graph, DOCUMENTATION, reproducible=False)
    finish(graph, TOKENIZER)
    Path(graph.outputs(DOCUMENTATION)[0]).unlink()
    assert why(graph, TOKENIZER) == ["collect_docstrings is remade and may differ"]


def test_an_input_that_changed_is_detected(graph: Graph) -> None:
    finish(graph, DOCUMENTATION, reproducible=False)
    finish(graph, TOKENIZER)
    finish(graph, DOCUMENTATION, content="made otherwise\n", reproducible=False)
    assert why(graph, TOKENIZER) == ["collect_docstrings differs from what this was made from"]


def test_a_damaged_input_is_not_used(graph: Graph) -> None:
    finish(graph, DOCUMENTATION)
    path = Path(graph.outputs(DOCUMENTATION)[0])
    path.write_text("ma")
    with pytest.raises(records.Damage, match=r"documentation\.jsonl has 2 bytes instead of 5"):
        finish(graph, TOKENIZER)
    note = read_json(records.unfinished(graph, TOKENIZER))
    assert "2 bytes instead of 5" in note["failed"]
    assert not Path(graph.record(TOKENIZER)).exists()


def test_a_failed_job_has_no_record_but_a_reason(graph: Graph) -> None:
    finish(graph, DOCUMENTATION)
    with (
        pytest.raises(RuntimeError),
        records.recorded(graph, DOCUMENTATION, {}, reproducible=True),
    ):
        assert read_json(records.unfinished(graph, DOCUMENTATION))["pid"] == os.getpid()
        raise RuntimeError("out of luck")
    assert read_json(records.unfinished(graph, DOCUMENTATION))["failed"] == "out of luck"
    assert why(graph, DOCUMENTATION) == ["no record that it finished"]
    finish(graph, DOCUMENTATION)
    assert not records.unfinished(graph, DOCUMENTATION).exists()


def test_a_large_file_from_outside_is_identified_by_its_size_and_samples(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.truncate(80 * 1024**2)
    before = records.outside(path)
    with path.open("r+b") as file:
        file.seek(79 * 1024**2 + 5)
        file.write(b"x")
    assert records.outside(path) != before


def test_the_name_of_a_file_from_outside_is_not_its_path(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")
    assert records.outside(tmp_path / "here") == records.outside(tmp_path / "there")


def test_differences_name_the_key_and_both_values() -> None:
    then = {"a": {"b": 1, "c": [1, 2]}, "d": None}
    now = {"a": {"b": 2, "c": [1, 2]}, "e": "x"}
    assert [str(found) for found in differences(then, now)] == [
        "a.b: 1 -> 2",
        'e: null -> "x"',
    ]
