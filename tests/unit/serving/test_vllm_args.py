"""Arguments and environment of vLLM's server."""

import json
from pathlib import Path

import pytest

from manybaskets.serving import vllm_args
from manybaskets.serving.vllm_args import EngineSettings, arguments, resolve_base


def dtype_argument(base: Path | str, dtype: str = "auto") -> str:
    words = arguments(resolve_base(base), EngineSettings(dtype=dtype))
    return words[words.index("--dtype") + 1]


def model(folder: Path, dtype: str | None) -> Path:
    (folder / "config.json").write_text(json.dumps({"dtype": dtype} if dtype else {}))
    return folder


@pytest.mark.parametrize("declared", ["float32", "bfloat16", "float16", None])
@pytest.mark.parametrize(
    ("native", "float16_becomes", "others_become"),
    [
        ((), "float32", "float32"),
        (("bfloat16",), "float32", "auto"),
        (("bfloat16", "float16"), "auto", "auto"),
    ],
)
def test_auto_is_float32_where_a_cpu_would_emulate_the_type_of_the_model(
    declared: str | None,
    native: tuple[str, ...],
    float16_becomes: str,
    others_become: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vllm_args, "on_cpu", lambda: True)
    monkeypatch.setattr(vllm_args, "cpu_computes", lambda dtype: dtype in native)
    expected = float16_becomes if declared == "float16" else others_become
    assert dtype_argument(model(tmp_path, declared)) == expected


def test_a_model_of_the_hub_is_treated_as_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_args, "on_cpu", lambda: True)
    monkeypatch.setattr(vllm_args, "cpu_computes", lambda _: False)
    assert dtype_argument("org/model@abc") == "float32"


def test_a_declared_type_and_gpus_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_args, "cpu_computes", lambda _: False)
    folder = model(tmp_path, "bfloat16")
    monkeypatch.setattr(vllm_args, "on_cpu", lambda: True)
    assert dtype_argument(folder, "bfloat16") == "bfloat16"
    monkeypatch.setattr(vllm_args, "on_cpu", lambda: False)
    assert dtype_argument(folder) == "auto"
