"""Models in GGUF files and packages become ordinary model folders, once."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from manybaskets.cli.main import main
from manybaskets.config import validation
from manybaskets.config.base import ConfigError
from manybaskets.dag import preflight
from manybaskets.data import hub
from manybaskets.files import InputError
from manybaskets.models import gguf
from manybaskets.models.architectures import CHAT_TEMPLATE
from manybaskets.models.loading import load_model, load_tokenizer
from manybaskets.stages.registry import STAGES
from manybaskets.study import keys
from manybaskets.study.layout import Study
from tests.support import gguf_files
from tests.support import hub as local
from tests.unit.data.test_hub import command

PACKAGE = "llm-tiny"


@pytest.fixture(scope="module")
def source(tokenizer: Any) -> Any:
    """A Llama with sizes that GGUF's blocks of 32 allow."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=gguf_files.HEADS,
            num_key_value_heads=gguf_files.HEADS,
            max_position_embeddings=128,
            tie_word_embeddings=True,
            initializer_range=0.2,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


@pytest.fixture(scope="module")
def gguf_file(source: Any, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny-135M.Q8_0.gguf"
    gguf_files.write_llama(source, tokenizer, path, CHAT_TEMPLATE)
    return path


@pytest.fixture
def package(gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package with the GGUF file."""
    files = {"tiny.gguf": gguf_file.read_bytes(), "__init__.py": b""}
    gguf_files.install(tmp_path / "site", PACKAGE, files, licence="Apache-2.0")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site" / "llm_tiny"


def made(
    monkeypatch: pytest.MonkeyPatch, raw: dict[str, Any], model: dict[str, Any], output: Path
) -> int:
    """Runs the step for a model of a study, with the spec that the study has for it."""
    raw["models"]["smol"] = model
    stage = STAGES["download_model"]
    spec = stage.spec(Study(validation.load(raw, "test")), keys.Model("smol"))
    arguments = ["download_model", "--spec", spec.model_dump_json(), "--output", str(output)]
    monkeypatch.setattr("sys.argv", ["manybaskets", *arguments])
    return main()


def test_a_file_becomes_the_folder_that_transformers_reads_from_it(
    gguf_file: Path, study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert made(monkeypatch, study_config, {"gguf": str(gguf_file)}, tmp_path / "smol") == 0
    converted = load_model(tmp_path / "smol", "auto").eval()
    plain = AutoModelForCausalLM.from_pretrained(
        gguf_file.parent, gguf_file=gguf_file.name, dtype=torch.float32
    ).eval()
    assert logits_of(converted).dtype == torch.float32
    assert torch.equal(logits_of(converted), logits_of(plain))
    text = "sort the rows of the table"
    theirs = AutoTokenizer.from_pretrained(gguf_file.parent, gguf_file=gguf_file.name)
    ours = load_tokenizer(tmp_path / "smol")
    assert ours(text)["input_ids"] == theirs(text)["input_ids"]
    assert ours.chat_template == CHAT_TEMPLATE


@pytest.mark.parametrize(("quantization", "tolerance"), [("F32", 1e-5), ("Q8_0", 0.1)])
def test_the_model_is_the_one_that_was_quantized(
    quantization: str, tolerance: float, source: Any, tokenizer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.gguf"
    gguf_files.write_llama(source, tokenizer, path, CHAT_TEMPLATE, quantization)
    gguf.convert(path, tmp_path, "models.smol.gguf")
    expected = logits_of(source)
    difference = logits_of(load_model(tmp_path, "auto")) - expected
    assert difference.square().mean().sqrt() < tolerance * expected.std()


def test_a_packaged_model_keeps_its_hash_and_licence(
    package: Path, study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made(monkeypatch, study_config, {"package": PACKAGE}, tmp_path / "smol") == 0
    sha256 = gguf.file_sha256(package / "tiny.gguf")
    assert sha256 in (tmp_path / "smol/README.md").read_text()
    assert hub.license_of(tmp_path / "smol") == "apache-2.0"
    assert load_model(tmp_path / "smol", "auto").config.dtype == torch.float32


def test_the_spec_contains_the_version_and_the_hash_that_the_package_declares(
    package: Path, study_config: dict[str, Any]
) -> None:
    study_config["models"]["smol"] = {"package": PACKAGE, "file": "*.gguf"}
    study = Study(validation.load(study_config, "test"))
    spec = STAGES["download_model"].spec(study, keys.Model("smol")).model_dump()["gguf"]
    assert spec == {
        "package": PACKAGE,
        "version": "1.0",
        "file": "llm_tiny/tiny.gguf",
        "sha256": gguf.file_sha256(package / "tiny.gguf"),
    }


def test_a_modified_file_of_a_package_is_refused(
    package: Path,
    study_config: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (package / "tiny.gguf").open("ab") as file:
        file.write(b"\0")
    assert made(monkeypatch, study_config, {"package": PACKAGE}, tmp_path / "smol") != 0
    assert "models.smol.package" in (error := capsys.readouterr().err)
    assert "Install the package again" in error
    assert not (tmp_path / "smol").exists()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"package": "llm-absent"}, "models.smol.package: llm-absent is not installed"),
        ({"package": PACKAGE, "file": "*.bin"}, "matches 0 files of llm-tiny 1.0"),
        ({"package": PACKAGE, "file": "*"}, "matches 2 files of llm-tiny 1.0"),
        ({"gguf": "absent.gguf"}, "models.smol.gguf: there is no file absent.gguf"),
    ],
)
def test_missing_files_are_reported_before_any_job(
    package: Path, study_config: dict[str, Any], model: dict[str, Any], expected: str
) -> None:
    study_config["models"]["smol"] = model
    with pytest.raises(ConfigError) as caught:
        preflight.checked_study(study_config, [])
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, "exactly one of scratch, path, hub, gguf, package; found none"),
        ({"package": "a", "gguf": "b.gguf"}, "found gguf, package"),
        ({"path": "a", "file": "*.gguf"}, "file is for package"),
        ({"package": "a", "revision": "0" * 40}, "revision is for hub and gguf"),
    ],
)
def test_contradictions_are_refused(
    study_config: dict[str, Any], model: dict[str, Any], expected: str
) -> None:
    study_config["models"]["smol"] = model
    with pytest.raises(ConfigError) as caught:
        validation.load(study_config, "test")
    assert expected in str(caught.value)


def test_a_file_that_is_not_complete_is_named(gguf_file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    for content, expected in (
        (gguf_file.read_bytes()[:3000], "transformers cannot load"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is not a GGUF file"),
    ):
        broken.write_bytes(content)
        with pytest.raises(InputError, match=expected) as caught:
            gguf.convert(broken, tmp_path / "folder", "models.smol.gguf")
        assert str(broken) in str(caught.value)


def test_a_file_of_the_hub_has_a_repository_and_a_path() -> None:
    name = "org/model-GGUF/q4/model.Q4_1.gguf"
    assert gguf.hub_file(name, "models.a") == ("org/model-GGUF", "q4/model.Q4_1.gguf")
    for wrong in ("model.gguf", "org/model", "/data/model.gguf"):
        with pytest.raises(InputError, match="is not a file of the hub"):
            gguf.hub_file(wrong, "models.a")


@pytest.mark.slow
def test_a_file_of_the_hub_is_converted_at_its_revision(
    gguf_file: Path, study_config: dict[str, Any], tmp_path: Path
) -> None:
    files = {
        "q8/tiny.gguf": gguf_file.read_bytes(),
        "other.gguf": b"GGUF",
        "README.md": b"---\nlicense: mit\n---\n",
    }
    with local.serving() as served:
        sha = served.add("birds/wren-GGUF", files)
        served.add("birds/wren-GGUF", {"q8/tiny.gguf": b"a newer file"})
        model = {"gguf": "birds/wren-GGUF/q8/tiny.gguf", "revision": sha}
        study_config["models"]["smol"] = model
        study = Study(validation.load(study_config, "test"))
        spec = STAGES["download_model"].spec(study, keys.Model("smol")).model_dump(mode="json")
        output = tmp_path / "smol"
        done = command(served, tmp_path / "cache", "download_model", spec, "--output", str(output))
        assert done.returncode == 0, done.stderr
        assert not served.downloads("other.gguf")
    assert hub.license_of(output) == "mit"
    assert f"tiny.gguf of birds/wren-GGUF at {sha}" in (output / "README.md").read_text()
    assert load_tokenizer(output).chat_template == CHAT_TEMPLATE


def test_the_size_of_a_model_comes_from_the_name_of_its_file(
    gguf_file: Path, study_config: dict[str, Any]
) -> None:
    from manybaskets.stages.cost_model import CostModel

    study_config["models"]["smol"] = {"gguf": str(gguf_file)}
    study = Study(validation.load(study_config, "test"))
    assert CostModel(study).weights("smol") == 135_000_000


def test_the_file_of_a_path_is_an_input_and_that_of_a_hub_is_not(
    study_config: dict[str, Any],
) -> None:
    study_config["models"] |= {
        "local": {"gguf": "a.gguf"},
        "remote": {"gguf": "org/name/a.gguf", "revision": "0" * 40},
    }
    study = Study(validation.load(study_config, "test"))
    inputs = STAGES["download_model"].inputs
    assert inputs(study, keys.Model("local")) == {"model": ["a.gguf"]}
    assert inputs(study, keys.Model("remote")) == {"model": []}
    assert json.loads(STAGES["download_model"].spec(study, keys.Model("remote")).model_dump_json())


def logits_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(input_ids=torch.arange(40)[None] + 5).logits
    return logits
