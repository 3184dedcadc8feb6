"""Rows that a study names by URL are downloaded once, and have the declared hash."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.main import main
from manybaskets.config import validation
from manybaskets.config.base import ConfigError
from manybaskets.dag import preflight
from manybaskets.dag.graph import Graph
from manybaskets.data import remote_files
from manybaskets.files import InputError
from manybaskets.stages.registry import STAGES
from manybaskets.study.layout import Study

CONTENT = "".join(
    json.dumps({"prompt": f"p {n}", "response": f"r {n}"}) + "\n" for n in range(60)
).encode()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def home() -> Iterator[str]:
    """The URL of a server that has the file at one path."""

    class Home(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.path == "/data/abc123/rows%20of%20people.jsonl"
            self.send_response(200 if is_known else 404)
            self.end_headers()
            if is_known:
                self.wfile.write(CONTENT)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Home)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/data/abc123/rows%20of%20people.jsonl"
    server.shutdown()
    server.server_close()


@pytest.fixture
def raw(study_config: dict[str, Any], home: str) -> dict[str, Any]:
    """A study whose human rows and recorded source are one file at a URL."""
    place = {"url": home, "sha256": SHA256}
    study_config["dataset"] = {**place, "train": 40, "test": 10}
    study_config["sources"]["parrot"] = place
    study_config["mixes"] = {
        "human": {"origins": {"human": 1.0}},
        "parrot": {"origins": {"parrot": 1.0}},
    }
    return study_config


def study_of(raw: dict[str, Any]) -> Study:
    return Study(validation.load(raw, "test"))


def test_a_file_is_downloaded_by_one_job_that_its_readers_need(raw: dict[str, Any]) -> None:
    graph = Graph(study_of(raw))
    jobs = [job for job in graph.jobs() if job.name == "download_file"]
    (path,) = {file for job in jobs for file in graph.outputs(job)}
    assert path.endswith(f"data/files/{SHA256[:12]}-rows_of_people.jsonl")
    for job in graph.jobs():
        if job.name == "prepare_dataset" or job.path.startswith("generate/parrot"):
            assert jobs[0] in graph.producers(job)


def test_downloaded_rows_become_the_splits_and_the_recorded_responses(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = Graph(study_of(raw))
    for job in graph.jobs():
        if job.name == "download_file":
            (output,) = graph.outputs(job)
            run(monkeypatch, "download_file", spec_of(graph, job), "--output", output)
            assert Path(output).read_bytes() == CONTENT
    (job,) = [job for job in graph.jobs() if job.name == "prepare_dataset"]
    files = [f"--{name}={name}.jsonl" for name in ("train", "test", "prompts", "items")]
    run(monkeypatch, "prepare_dataset", spec_of(graph, job), *files)
    assert len(Path("train.jsonl").read_text().splitlines()) == 40
    (job, *_) = [job for job in graph.jobs() if job.path.startswith("generate/parrot")]
    run(
        monkeypatch, "generate", spec_of(graph, job), "--train=train.jsonl",
        "--prompts=prompts.jsonl", "--model", "--output=responses.jsonl",
    )  # fmt: skip
    rows = [json.loads(line) for line in Path("responses.jsonl").read_text().splitlines()]
    assert {row["state"] for row in rows} == {"ok"}
    assert all(row["response"] == row["prompt"].replace("p", "r") for row in rows)


def spec_of(graph: Graph, job: Any) -> str:
    text: str = job.stage.spec(graph.study, job.key).model_dump_json()
    return text


def run(monkeypatch: pytest.MonkeyPatch, command: str, spec: str, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["manybaskets", command, "--spec", spec, *arguments])
    assert main() == 0


def test_the_content_must_have_the_declared_hash(home: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"has the SHA-256 {SHA256}, expected 0000"):
        remote_files.download(home, "0" * 64, tmp_path / "rows")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_reached_is_named_with_the_remedy(home: str, tmp_path: Path) -> None:
    for url, reason in ((home[:-1], "answered 404"), ("http://127.0.0.1:9/a", "cannot be reached")):
        with pytest.raises(InputError, match=reason) as caught:
            remote_files.download(url, SHA256, tmp_path / "rows")
        assert url in str(caught.value) and "local copy" in str(caught.value)


def test_a_local_copy_replaces_the_download_if_it_has_the_hash(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(CONTENT)
    raw["dataset"]["file"] = raw["sources"]["parrot"]["recorded"] = str(copy)
    study = preflight.checked_study(raw, [])
    assert study.remote_files == {}
    assert STAGES["prepare_dataset"].spec(study, ()).dataset.file == str(copy)
    copy.write_bytes(CONTENT[:-1])
    with pytest.raises(ConfigError) as caught:
        preflight.checked_study(raw, [])
    for key in ("dataset.file", "sources.parrot.recorded"):
        assert f"{key}: {copy} has the SHA-256" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sha256": None}, "url and sha256"),
        ({"url": None}, "url and sha256"),
        ({"sha256": "abc"}, "sha256"),
        ({"url": "ftp://a.org/b"}, "url"),
        ({"model": "wren"}, "neither model nor endpoint"),
    ],
)
def test_contradictions_are_refused(
    raw: dict[str, Any], change: dict[str, Any], expected: str
) -> None:
    raw["sources"]["parrot"] = {**raw["sources"]["parrot"], **change}
    with pytest.raises(ConfigError) as caught:
        study_of(raw)
    assert "sources.parrot" in str(caught.value) and expected in str(caught.value)


def test_specs_of_studies_without_urls_stay_as_they_were(study_config: dict[str, Any]) -> None:
    study = study_of(study_config)
    for job in Graph(study).jobs():
        if job.name in ("prepare_dataset", "generate", "source_candidates"):
            assert '"url"' not in job.stage.spec(study, job.key).model_dump_json()
