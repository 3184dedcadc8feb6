"""Names that the workflow uses itself, that collide, or that YAML does not read as text."""

from typing import Any

import pytest
import yaml

from manybaskets.config import validation
from manybaskets.config.base import ConfigError
from manybaskets.dag.path_names import with_braces

SCRATCH = {"scratch": {"family": "llama", "documentation": ["numpy"]}}


def problems(raw: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        validation.load(raw, "study.yaml")
    return str(error.value)


@pytest.mark.parametrize("name", ["tokenizer", "Tokenizer", "yardstick", "yardstick.json"])
def test_a_model_cannot_have_the_name_of_a_file_of_the_workflow(
    study_config: dict[str, Any], name: str
) -> None:
    study_config["models"][name] = SCRATCH
    assert f"models.{name}: '{name}' is a reserved name" in problems(study_config)


@pytest.mark.parametrize(("key", "name"), [("mixes", "Vanilla"), ("sources", "HUMAN")])
def test_reserved_names_are_refused_in_any_case(
    study_config: dict[str, Any], key: str, name: str
) -> None:
    entry = {"mixes": {"origins": {"human": 1}}, "sources": {"model": "wren"}}[key]
    study_config.setdefault(key, {})[name] = entry
    assert f"{key}.{name}: '{name}' is a reserved name" in problems(study_config)


@pytest.mark.parametrize("name", ["nul", "CON", "com1", "aux.v2"])
def test_a_device_of_windows_is_refused(study_config: dict[str, Any], name: str) -> None:
    study_config["mixes"][name] = {"origins": {"human": 1}}
    assert f"mixes.{name}: '{name}' is a device on Windows" in problems(study_config)


def test_a_model_cannot_be_the_summary_of_another(study_config: dict[str, Any]) -> None:
    study_config["models"] |= {"lark": SCRATCH, "lark.json": SCRATCH}
    assert "models.lark.json: 'lark.json' is the file of the model 'lark'" in problems(study_config)


@pytest.mark.parametrize("probe", ["robustness", "preference"])
def test_judges_that_differ_only_in_case_are_refused(
    study_config: dict[str, Any], probe: str
) -> None:
    judge = {"model": "wren"} | ({"by": "llama-guard"} if probe == "robustness" else {})
    study_config.setdefault("probes", {})[probe] = {"judges": {"owl": judge, "Owl": judge}}
    assert f"probes.{probe}.judges.Owl: 'Owl' and 'owl' differ only in case" in problems(
        study_config
    )


@pytest.mark.parametrize("name", ["no", "yes", "on", "null", "~", "1.0", "010", "2024-01-01", "1"])
def test_a_name_that_yaml_does_not_read_as_text_is_refused(
    study_config: dict[str, Any], name: str
) -> None:
    raw = study_config | {"mixes": yaml.safe_load(f"{name}: {{origins: {{human: 1}}}}")}
    with pytest.raises(ConfigError, match=r"study\.yaml: mixes\..*Put the name in quotes"):
        validation.refuse_unquoted(raw, "study.yaml")
    quoted = study_config | {"mixes": {name: {"origins": {"human": 1}}}}
    validation.refuse_unquoted(quoted, "study.yaml")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_are_32_bit(study_config: dict[str, Any], seed: int) -> None:
    assert "seeds.0: Input should be" in problems(study_config | {"seeds": [seed]})
    study_config["dataset"]["seed"] = seed
    assert "dataset.seed: Input should be" in problems(study_config)


@pytest.mark.parametrize("path", ["mo del{z}", "a}b"])
def test_a_path_with_braces_is_refused(study_config: dict[str, Any], path: str) -> None:
    study_config["models"]["lark"] = {"path": path}
    study_config["probes"] = {"robustness": {"requests": ["a.yaml", path]}}
    config = validation.load(study_config, "study.yaml")
    keys = [key for key, _ in with_braces(config)]
    assert keys == ["models.lark.path", "probes.robustness.requests"]
