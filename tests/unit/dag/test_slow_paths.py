"""The plan names settings that this machine computes slowly."""

from collections.abc import Sequence
from typing import Any

import pytest

from manybaskets.config import validation
from manybaskets.dag import slow_paths
from manybaskets.study.layout import Study


def notes(
    raw: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    native: Sequence[str] = (),
    on_cpu: bool = True,
) -> list[str]:
    monkeypatch.setattr(slow_paths, "on_cpu", lambda: on_cpu)
    monkeypatch.setattr(slow_paths, "cpu_computes", lambda dtype: dtype in native)
    return list(slow_paths.notes(Study(validation.load(raw, "test"))))


def test_the_type_that_auto_means_is_named_where_bfloat16_is_emulated(
    study_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (note,) = notes(study_config, monkeypatch)
    assert "auto is float32" in note
    assert notes(study_config, monkeypatch, native=["bfloat16"]) == []
    assert notes(study_config, monkeypatch, on_cpu=False) == []


def test_models_with_an_emulated_type_are_named(
    study_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    study_config["engine"] = {"dtype": "float32", "per_model": {"finch": {"dtype": "float16"}}}
    (note,) = notes(study_config, monkeypatch, native=["bfloat16"])
    assert "emulates float16 (models finch)" in note
    assert notes(study_config, monkeypatch, native=["bfloat16", "float16"]) == []
