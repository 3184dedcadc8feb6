"""Models from folders of other origin."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from manybaskets.models.loading import load_model, load_tokenizer

CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM
Path({mark!r}).write_text("run")
class OwnConfig(LlamaConfig):
    model_type = "own"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


def test_weights_that_could_run_code_are_not_read(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_model, folder)
    model = load_model(folder, torch.float32)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(OSError, match="safetensors"):
        load_model(folder, torch.float32)


def test_code_that_comes_with_a_model_runs_only_where_it_is_trusted(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder, mark = tmp_path / "own", tmp_path / "mark"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(CODE.format(mark=str(mark)))
    with pytest.raises(ValueError, match="trust_remote_code"):
        load_model(folder, torch.float32)
    assert not mark.exists()
    assert load_model(folder, torch.float32, trust_remote_code=True) is not None
    assert mark.exists()


def test_a_tokenizer_comes_from_its_folder_only(tmp_path: Path) -> None:
    with pytest.raises(OSError):  # noqa: PT011
        load_tokenizer(tmp_path / "nowhere")
