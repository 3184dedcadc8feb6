"""The commits of branches are written into configs, with the real hub client."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from manybaskets.config import pins, validation
from manybaskets.config.yaml_edits import with_value
from tests.support import hub as local
from tests.support.paths import ROOT

CONFIG = """\
# my study
study: t
dataset:
  hub: people/asked # the questions
  revision: main # a branch
models:
  wren: {hub: birds/wren, adapter: birds/song, adapter_revision: 'main'} # flow
  lark:
    hub: birds/wren   # no revision
    trust_remote_code: true
  finch: {gguf: birds/wren/a.gguf, revision: main}
  here: {path: models/here}
"""


@pytest.fixture
def hub() -> Iterator[local.Hub]:
    with local.serving() as served:
        yield served


def pin(hub: local.Hub, *configs: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"} | variables
    environment |= {"PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, "-m", "manybaskets", "pin", *map(str, configs)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_branches_become_commits_and_all_else_stays(hub: local.Hub, tmp_path: Path) -> None:
    asked = hub.add("people/asked", {"a.jsonl": b"{}"}, kind="dataset")
    wren, song = (
        hub.add(name, {"config.json": name.encode()}) for name in ("birds/wren", "birds/song")
    )
    config = tmp_path / "t.yaml"
    config.write_bytes(CONFIG.replace("\n", "\r\n").encode())
    done = pin(hub, config)
    assert done.returncode == 0, done.stderr
    pinned = yaml.safe_load(config.read_bytes())
    assert pinned["dataset"]["revision"] == asked
    assert pinned["models"]["wren"]["revision"] == wren
    assert pinned["models"]["wren"]["adapter_revision"] == song
    assert pinned["models"]["lark"]["revision"] == pinned["models"]["finch"]["revision"] == wren
    text = config.read_bytes().decode()
    assert "\r\n" in text and text.replace("\r\n", "").count("\n") == 0
    for line in ("# my study", "# the questions", "# a branch", "# flow", "# no revision"):
        assert line in text
    again = pin(hub, config)
    assert "every revision is a commit" in again.stdout and config.read_bytes().decode() == text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "message"),
    [({}, "there is no model 'birds/wren'"), ({"HF_HUB_OFFLINE": "1"}, "hub: ")],
)
def test_a_repository_that_cannot_be_asked_is_named(
    hub: local.Hub, tmp_path: Path, variables: dict[str, str], message: str
) -> None:
    config = tmp_path / "t.yaml"
    config.write_text("models: {wren: {hub: birds/wren, revision: main}}\n")
    done = pin(hub, config, **variables)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"{config}: models.wren." in done.stderr and message in done.stderr
    assert "revision: main" in config.read_text()


def test_a_commit_that_looks_like_a_number_is_quoted() -> None:
    digits = "1" * 40
    assert yaml.safe_load(with_value("a: {hub: x}", ("a", "revision"), digits, "hub")) == {
        "a": {"hub": "x", "revision": digits}
    }
    assert with_value("a: {hub: x}", ("b", "revision"), digits, "hub") == "a: {hub: x}"


@pytest.mark.parametrize("revision", ["main", "v1.0", "refs/convert/parquet", "a" * 39, "A" * 40])
def test_a_revision_that_can_change_is_refused(study_config: dict[str, Any], revision: str) -> None:
    texts = {"hub": "a/b", "revision": revision}
    study_config["probes"] = {"preference": {"texts": texts}}
    study_config["models"] |= {
        "lark": {"hub": "a/b", "revision": revision, "trust_remote_code": True},
        "finch": {
            "hub": "a/b",
            "revision": "0" * 40,
            "adapter": "a/c",
            "adapter_revision": revision,
        },
        "owl": {"gguf": "a/b/c.gguf", "revision": revision},
    }
    config = validation.load(study_config, "study.yaml")
    assert {key for key, _ in pins.unpinned(config)} == {
        "probes.preference.texts.revision",
        "models.lark.revision",
        "models.finch.adapter_revision",
        "models.owl.revision",
    }
