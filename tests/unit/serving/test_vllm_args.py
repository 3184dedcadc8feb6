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


def test_a_server_inherits_no_keys(tmp_path: Path) -> None:
    variables = {
        "OPENAI_API_KEY": "x", "HF_TOKEN": "x", "aws_secret_access_key": "x", "DB_PASSWORD": "x",
        "GITHUB_PAT": "x", "MY_PROVIDER": "x",
        "MANYBASKETS_ENDPOINTS": '{"far": {"api_key_env": "MY_PROVIDER"}}',
        "PATH": "p", "CUDA_VISIBLE_DEVICES": "0", "TOKENIZERS_PARALLELISM": "false",
        "NCCL_DEBUG": "INFO", "HF_HUB_CACHE": "c", "LD_LIBRARY_PATH": "l", "KEYBOARD": "us",
    }  # fmt: skip
    kept = {"PATH", "CUDA_VISIBLE_DEVICES", "TOKENIZERS_PARALLELISM", "NCCL_DEBUG", "HF_HUB_CACHE"}
    kept |= {"LD_LIBRARY_PATH", "KEYBOARD"}
    local = vllm_args.Base(str(tmp_path), "", True, [])
    remote = vllm_args.Base("org/name", "0" * 40, False, [])
    assert vllm_args.inherited(variables, local).keys() == kept
    assert vllm_args.inherited(variables, remote).keys() == kept | {"HF_TOKEN"}
    assert vllm_args.inherited({"MANYBASKETS_ENDPOINTS": "["}, local) == {}
