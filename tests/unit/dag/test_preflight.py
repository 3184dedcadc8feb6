"""Problems that are reported before any job starts."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from manybaskets.config.base import ConfigError
from manybaskets.dag import preflight


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        preflight.checked_study(raw, [])
    return str(caught.value)


@pytest.fixture
def recorded(study_config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """A study of files: 60 human rows, and a recorded source that answers all of them."""
    rows = [{"prompt": f"p {i}", "response": f"r {i}"} for i in range(60)]
    for name in ("human", "recorded"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    raw = copy.deepcopy(study_config)
    raw["dataset"] = {"file": str(tmp_path / "human.jsonl"), "train": 40, "test": 10}
    raw["sources"]["parrot"] = {"recorded": str(tmp_path / "recorded.jsonl")}
    raw["mixes"] = {"human": {"origins": {"human": 1.0}}, "parrot": {"origins": {"parrot": 1.0}}}
    return raw


def test_a_good_study_passes(recorded: dict[str, Any]) -> None:
    assert preflight.checked_study(recorded, []).rows == 40


def test_a_recorded_source_without_some_answers_is_named(
    recorded: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:30]))
    said = refused(recorded)
    assert "sources.parrot.recorded" in said
    assert "no response to" in said
    assert str(path) in said


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file"),
        ("", "the file is empty"),
        ('{"prompt": "a", "response": "b"}\n{"prompt"', "line 2: not JSON"),
        ('{"prompt": "a"}', "no field of a usual name for the response"),
        ('{"prompt": "a", "response": "b"}', "is 50, but there are only 1 rows"),
    ],
)
def test_a_bad_dataset_file_is_named_under_its_key(
    recorded: dict[str, Any], tmp_path: Path, content: str | None, expected: str
) -> None:
    path = tmp_path / "human.jsonl"
    path.unlink()
    if content is not None:
        path.write_text(content)
    said = refused(recorded)
    assert "dataset.file" in said
    assert expected in said


def test_a_key_variable_that_is_not_set_is_named(study_config: dict[str, Any]) -> None:
    study_config["sources"]["far"] = {
        "endpoint": "https://example.org/v1",
        "model": "m",
        "api_key_env": "MANYBASKETS_TEST_KEY",
    }
    said = refused(study_config)
    assert "sources.far.api_key_env" in said
    assert "export MANYBASKETS_TEST_KEY" in said


def test_a_model_folder_without_a_model_is_named(
    study_config: dict[str, Any], tmp_path: Path
) -> None:
    study_config["models"]["wren"] = {"path": str(tmp_path)}
    assert "models.wren.path" in refused(study_config)


def test_a_package_that_is_not_installed_is_named(study_config: dict[str, Any]) -> None:
    study_config["dataset"]["docs"]["packages"] = ["no_such_package"]
    assert "'no_such_package' is not installed" in refused(study_config)


def test_an_attack_without_a_template_is_named(study_config: dict[str, Any]) -> None:
    study_config["probes"] = {"robustness": {"attacks": ["magic"]}}
    said = refused(study_config)
    assert "magic" in said
    assert "persona" in said
    assert "best-of-n" in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"requests": "no-such-set"}, "no such set. Sets: strongreject"),
        ({"requests": []}, "no file and no set is given"),
        (
            {"local_files": {"xstest": "x.csv"}},
            "local_files.xstest: not one of the sets under requests: none",
        ),
        ({"requests": ["xstest"], "local_files": {"xstest": "x.csv"}}, "there is no file x.csv"),
        ({"judges": {"j": {"model": "lark"}}}, "no model named 'lark'"),
        ({"judges": {"a/b": {"model": "wren"}}}, "'a/b' cannot be a file name"),
        ({"judges": {"j": {"model": "wren", "api_key_env": "X"}}}, "only endpoints have"),
        ({"judges": {"j": {"model": "wren", "template": "x.txt"}}}, "there is no file x.txt"),
        (
            {"human_labels": "people.jsonl"},
            "probes.robustness.human_labels: people.jsonl: there is no",
        ),
        ({"judges": {"j": {"by": "taste", "model": "wren"}}}, "judges.j.by"),
    ],
)
def test_what_the_robustness_probe_lacks_is_named(
    study_config: dict[str, Any], changed: dict[str, Any], said: str
) -> None:
    study_config["probes"] = {"robustness": changed}
    assert said in refused(study_config)


def test_a_public_set_needs_nothing_on_this_machine(study_config: dict[str, Any]) -> None:
    study_config["probes"] = {"robustness": {"requests": ["strongreject", "xstest"]}}
    found = preflight.checked_study(study_config, [])
    assert found.request_sets() == ["strongreject", "xstest"]
    assert found.request_files() == []


def test_chains_with_different_tokenizers_are_reported_and_run(
    study_config: dict[str, Any], tmp_path: Path
) -> None:
    for name, vocabulary in (("lark", {"a": 0}), ("wren", {"a": 0}), ("owl", {"b": 0})):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"")
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
        (folder / "chat_template.jinja").write_text(
            "{% for m in messages %}{{ m.content }}|{% endfor %}"
        )
        study_config["models"][name] = {"path": str(folder)}
    study_config["sources"] = {"wren": {"model": "wren"}}
    study_config["mixes"] = {
        "pooled": {
            "origins": {"wren": 1.0},
            "loop": {"generations": 2, "sources": "targets"},
        }
    }
    study_config["targets"] = ["wren", "lark"]
    study_config["engine"] = {"dtype": "float32"}  # no note about the machine
    assert list(preflight.notes(preflight.checked_study(study_config, []))) == []
    study_config["targets"] = ["wren", "owl"]
    told = list(preflight.notes(preflight.checked_study(study_config, [])))
    assert len(told) == 2
    assert all("mixes.pooled.loop" in text and "bits_per_byte" in text for text in told)
    assert "owl and wren have different tokenizers" in told[0]


def test_too_little_disk_space_is_reported_with_both_figures(
    study_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    said = refused(study_config)
    assert "the disk has 0 MiB free" in said


def test_a_name_that_occurs_twice_in_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("study: a\nmixes:\n  m: {}\n  m: {}\n")
    with pytest.raises(ConfigError, match="duplicate key 'm'"):
        preflight.checked_study({}, [str(path)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("Is {response} good?", "needs {prompt} and, after it, {response}"),
        ("{response} to {prompt}?", "needs {prompt} and, after it, {response}"),
    ],
)
def test_a_rubric_that_a_judge_cannot_use_is_named(
    recorded: dict[str, Any], tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "rubric.txt"
    if text is not None:
        path.write_text(text)
    recorded["mixes"]["judged"] = {
        "origins": {"parrot": 1.0},
        "select": {
            **{"top": 0.5, "on_shortfall": "fewer", "samples": 1},
            "verifier": {"by": "judge", "source": "wren", "rubric": str(path)},
        },
    }
    found = refused(recorded)
    assert "mixes.judged.select.verifier.rubric" in found
    assert said in found


def test_the_rubric_that_comes_with_the_workflow_is_usable(recorded: dict[str, Any]) -> None:
    recorded["mixes"]["judged"] = {
        "origins": {"parrot": 1.0},
        "select": {
            **{"top": 0.5, "on_shortfall": "fewer", "samples": 1},
            "verifier": {"by": "judge", "source": "wren"},
        },
    }
    assert preflight.checked_study(recorded, []).selected == ["judged", "judged-random"]


@pytest.mark.parametrize(
    ("key", "value", "package"),
    [
        ("quantization", "nf4", "bitsandbytes"),
        ("liger", True, "liger-kernel"),
        ("attention", "flash_attention_2", "flash-attn or kernels"),
    ],
)
def test_a_package_that_training_lacks_is_named_before_the_run(
    recorded: dict[str, Any],
    key: str,
    value: Any,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded["training"] = {key: value}
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    said = refused(recorded)
    assert f"training.{key}" in said and f"needs the package {package}" in said
    monkeypatch.setattr(preflight, "find_spec", lambda name: object())
    assert preflight.checked_study(recorded, [])


def test_templates_are_checked_before_the_first_job(
    study_config: dict[str, Any], tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    study_config["models"] = {"wren": {"path": str(folder)}}
    study_config["sources"] = {"wren": {"model": "wren"}}
    study_config["mixes"] = {"single": {"origins": {"wren": 1.0}}}
    study_config["targets"] = ["wren"]
    study_config["engine"] = {"dtype": "float32"}  # no note about the machine
    body = "{% for m in messages %}|{{ m.content }}{% if m.role != 'user' %}END END{% endif %}"
    for template, problem in (
        (body + "{% endfor %}", ""),
        ("{{ messages[0].content }}", "changes or drops the response"),
        (body.replace("END END", "") + "{{ 1 / 0 }}{% endfor %}", "division by zero"),
    ):
        (folder / "chat_template.jinja").write_text(template)
        preflight._checked_template.cache_clear()
        if problem:
            message = refused(study_config)
            assert "models.wren.chat_template" in message and problem in message
        else:
            preflight.checked_study(study_config, [])
    study_config["models"]["wren"]["system"] = "Be brief."
    (folder / "chat_template.jinja").write_text(
        body.replace("|", "<think></think>") + "{% endfor %}"
    )
    (note,) = preflight.notes(preflight.checked_study(study_config, []))
    assert note.startswith("models.wren: ") and "<think></think>" in note
