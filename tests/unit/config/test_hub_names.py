"""Names of repositories on the hub are refused where they are paths or URLs."""

from typing import Any

import pytest

from manybaskets.config import validation
from manybaskets.config.base import ConfigError

PIN = "d" * 40


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "a/b/c",
        "/etc/passwd",
        "https://example.org/x",
        "a/..",
        "a--b/c",
        "ü/x",
        "a b",
        "-rf",
        "a/" + "b" * 100,
        "a\n/b",
    ],
)
@pytest.mark.parametrize("key", ["models.m.hub", "models.m.adapter", "dataset.hub"])
def test_name_that_the_hub_cannot_have(study_config: dict[str, Any], key: str, name: str) -> None:
    section, _, last = key.rpartition(".")
    if section == "dataset":
        study_config["dataset"] = {"hub": name, "revision": PIN, "train": 40, "test": 10}
    else:
        model = {"hub": "people/model", "revision": PIN}
        adapter = {"adapter": "people/adapter", "adapter_revision": PIN}
        study_config["models"]["m"] = model | (adapter if last == "adapter" else {}) | {last: name}
    with pytest.raises(ConfigError, match="is not the name of a repository on the hub") as e:
        validation.load(study_config, "my.yaml")
    assert f"my.yaml: {key}: " in str(e.value)


@pytest.mark.parametrize("name", ["gpt2", "people/model", "Qwen/Qwen2.5-0.5B-Instruct", "a_b/c.d"])
def test_usual_names(study_config: dict[str, Any], name: str) -> None:
    study_config["models"]["m"] = {"hub": name, "revision": PIN}
    assert validation.load(study_config, "my.yaml").models["m"].hub == name
