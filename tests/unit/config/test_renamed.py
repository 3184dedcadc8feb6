"""Old names of config keys and values are refused with their new names."""

from typing import Any

import pytest
from pydantic import BaseModel

from manybaskets.config import key_reference, validation
from manybaskets.config.base import ConfigError
from manybaskets.config.renamed import RENAMED, Renamed, renamed_keys
from manybaskets.config.study import StudyConfig
from manybaskets.simulations.eigenvalues import study as eigenvalue_study
from manybaskets.simulations.eigenvalues.study import EigenStudy


def nested(path: str, value: Any) -> dict[str, Any]:
    """A config with one key; names that a study chooses are `mine`."""
    for key in reversed(path.split(".")):
        value = {"mine" if key == "*" else key: value}
    return value  # type: ignore[no-any-return]


@pytest.mark.parametrize("entry", RENAMED, ids=lambda entry: entry.path)
def test_an_old_name_is_refused_with_the_new_one(entry: Renamed) -> None:
    old = entry.values[0][0] if entry.values else 1
    with pytest.raises(ConfigError) as raised:
        validation.refuse_renamed(nested(entry.path, old), "my.yaml")
    message = str(raised.value)
    assert message.startswith(f"my.yaml: {entry.path.replace('*', 'mine')}: ")
    assert (entry.new or entry.values[0][1]) in message


@pytest.mark.parametrize("entry", RENAMED, ids=lambda entry: entry.path)
def test_new_names_exist_and_old_ones_do_not(entry: Renamed) -> None:
    if ".of." in entry.path or ".per_target.*" in entry.path:
        pytest.skip("keys of any section `training`, without a model of their own")
    study = EigenStudy if entry.path.startswith("eigenvalues") else StudyConfig
    section, _, key = entry.path.rpartition(".")
    fields = sections(study)[section.replace("*", "<name>")].model_fields
    assert (entry.new or key) in fields
    assert entry.new is None or key not in fields


def sections(study: type[BaseModel]) -> dict[str, type[BaseModel]]:
    return {"": study, **dict(key_reference.sections(study))}


def test_a_value_is_renamed_with_its_key() -> None:
    assert list(renamed_keys({"mixes": {"best": {"select": {"short": "stop"}}}})) == [
        ("mixes.best.select.short", "was renamed, and so was its value. Write on_shortfall: error.")
    ]
    raw = {"mixes": {"best": {"select": {"short": "fewer"}}}}
    assert "Rename the key" in next(renamed_keys(raw))[1]
    raw = {"mixes": {"best": {"select": {"on_shortfall": "stop"}}}}
    assert "'error'" in next(renamed_keys(raw))[1]


def test_every_old_name_of_a_study_is_reported(study_config: dict[str, Any]) -> None:
    study_config["dataset"]["splits"] = "interleaved"
    study_config["models"]["wren"]["scratch"]["manners_tokens"] = 1000
    with pytest.raises(ConfigError) as raised:
        validation.load(study_config, "my.yaml")
    message = str(raised.value)
    assert "dataset.splits" in message and "'split_method'" in message
    assert "models.wren.scratch.manners_tokens" in message and "'sft_tokens'" in message


def test_a_study_of_eigenvalues_reports_old_names() -> None:
    with pytest.raises(ConfigError, match=r"eigenvalues\.student\.rate.*'learning_rate'"):
        eigenvalue_study.load({"eigenvalues": {"student": {"rate": 1e-3}}}, "my.yaml")


@pytest.mark.parametrize("raw", [{}, {"mixes": None}, {"mixes": {"all": {"select": "all"}}}])
def test_a_config_without_old_names_passes(raw: dict[str, Any]) -> None:
    validation.refuse_renamed(raw, "my.yaml")
