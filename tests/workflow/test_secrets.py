"""A key is read from the environment and found nowhere afterwards, whether it is right or wrong."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from manybaskets.files import write_jsonl
from tests.support.endpoint import Endpoint, refused, replied
from tests.support.workflow import snakemake

KEY, WRONG = "sk-planted-5b1f0c9d7e", "sk-mistaken-2a77c1e0b4"
TARGET = "results/secret/mixes/single/seed=1.jsonl"


@pytest.fixture
def server() -> Iterator[Endpoint]:
    """An endpoint that wants the key, and repeats a wrong one in its answer, as some do."""
    endpoint = Endpoint()

    def answer(body: dict[str, object]) -> web.Response:
        said = endpoint.headers[-1].get("Authorization", "")
        if said != f"Bearer {KEY}":
            return refused(401, f"Incorrect API key provided: {said.removeprefix('Bearer ')}")
        return replied(body)

    endpoint.answer = answer
    yield endpoint
    endpoint.close()


@pytest.fixture
def study(tmp_path: Path, server: Endpoint) -> Path:
    write_jsonl(
        tmp_path / "human.jsonl",
        [{"prompt": f"Question {n}?", "response": f"Answer {n}."} for n in range(30)],
    )
    config = {
        "study": "secret",
        "seeds": [1],
        "dataset": {"file": "human.jsonl", "train": 20, "test": 10},
        "models": {"wren": {"scratch": {"family": "llama", "documentation": ["scipy"]}}},
        "sources": {"api": {"endpoint": server.url, "model": "m", "api_key_env": "PLANTED_KEY"}},
        "targets": ["wren"],
        "mixes": {"single": {"origins": {"api": 1}}},
        "rows": 10,
    }
    (tmp_path / "secret.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return tmp_path


def where(folder: Path, key: str) -> list[str]:
    """Files below a folder, Snakemake's own among them, in which a key stands."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and key.encode() in path.read_bytes()
    ]


def test_a_key_stands_in_no_file_and_on_no_terminal(
    study: Path, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_KEY", KEY)
    done = snakemake(study, "--configfile", "secret.yaml", "-p", "--cores", "1", "--", TARGET)
    assert done.returncode == 0, done.stdout
    assert server.headers
    rows = [json.loads(line) for line in (study / TARGET).read_text().splitlines()]
    assert rows[0]["response"].startswith("to Question")
    assert KEY not in done.stdout
    assert where(study, KEY) == []


def test_a_refused_key_is_told_without_repeating_it(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_KEY", WRONG)
    done = snakemake(study, "--configfile", "secret.yaml", "-p", "--cores", "1", "--", TARGET)
    assert done.returncode != 0
    assert "PLANTED_KEY" in done.stdout
    assert WRONG not in done.stdout
    assert where(study, WRONG) == []


def test_a_key_that_is_not_set_is_told_before_anything_runs(study: Path) -> None:
    done = snakemake(study, "--configfile", "secret.yaml", "--cores", "1", "--", TARGET)
    assert done.returncode != 0
    assert "PLANTED_KEY is not set" in done.stdout
    assert not (study / "results").exists()


def test_a_system_message_is_on_no_command_line(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_KEY", KEY)
    config = yaml.safe_load((study / "secret.yaml").read_text())
    config["sources"]["api"]["system"] = "planted system message"
    (study / "secret.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    dry = snakemake(
        study, "-n", "-p", "--quiet", "host", "--configfile", "secret.yaml", "--", TARGET
    )
    assert "--spec results/secret/records/generate/api/seed=1.spec" in dry.stdout
    assert not (study / "results").exists()
    done = snakemake(study, "-p", "--quiet", "host", "--configfile", "secret.yaml", "--", TARGET)
    assert done.returncode == 0, done.stdout
    spec = study / "results/secret/records/generate/api/seed=1.spec"
    assert "planted system message" in spec.read_text()
    assert stat.S_IMODE(spec.stat().st_mode) == 0o600
    for output in (dry, done):
        assert "planted system message" not in output.stdout
    logs = [
        *where(study / ".snakemake", "planted system"),
        *where(study / "results/secret/logs", "planted system"),
    ]
    assert not logs
    again = snakemake(study, "-n", "--configfile", "secret.yaml", "--", TARGET)
    assert "Nothing to be done" in again.stdout
