"""Models without a chat template are reported before any job, and can be given one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.main import main
from manybaskets.config.base import ConfigError
from manybaskets.dag import preflight
from manybaskets.files import InputError
from manybaskets.models import chat_templates
from manybaskets.models.chat_encoding import encode
from manybaskets.models.loading import load_tokenizer
from manybaskets.study.layout import RESOURCES

PLAIN = RESOURCES / "chat/plain.jinja"


@pytest.fixture
def speechless(tiny_model: Path, tmp_path: Path) -> Path:
    """Returns a model folder whose tokenizer has no chat template."""
    folder = tmp_path / "speechless"
    shutil.copytree(tiny_model, folder)
    (folder / chat_templates.FILE).unlink(missing_ok=True)
    settings = folder / "tokenizer_config.json"
    known = json.loads(settings.read_text())
    known.pop("chat_template", None)
    settings.write_text(json.dumps(known))
    assert load_tokenizer(folder).chat_template is None
    return folder


def fetched(model: Path, output: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> int:
    spec = {
        "path": str(model),
        "hub": None,
        "revision": None,
        "adapter": None,
        "is_chat_model": True,
    }
    spec |= {"adapter_revision": None, "trust_remote_code": False, **more}
    given = ["manybaskets", "download_model", "--spec", json.dumps(spec), "--output", str(output)]
    monkeypatch.setattr("sys.argv", given)
    return main()


def test_a_template_is_put_beside_the_model_whose_own_folder_stays_as_it_was(
    speechless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.name for path in speechless.iterdir())
    made = tmp_path / "made"
    assert fetched(speechless, made, monkeypatch, chat_template=str(PLAIN)) == 0
    assert sorted(path.name for path in speechless.iterdir()) == before
    assert load_tokenizer(made).chat_template == PLAIN.read_text()


def test_a_model_s_own_template_is_replaced_in_the_copy_only(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load_tokenizer(tiny_model).chat_template
    made = tmp_path / "made"
    assert fetched(tiny_model, made, monkeypatch, chat_template=str(PLAIN)) == 0
    assert load_tokenizer(made).chat_template != own
    assert load_tokenizer(tiny_model).chat_template == own


def test_without_a_template_nothing_is_made_and_the_mend_is_named(
    speechless: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fetched(speechless, tmp_path / "made", monkeypatch) == 2
    assert "plain.jinja" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
    assert (
        fetched(speechless, tmp_path / "made", monkeypatch, is_chat_model=False) == 0
    )  # an embedder


def test_the_plain_template_keeps_the_response_and_ends_it(
    speechless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    assert fetched(speechless, made, monkeypatch, chat_template=str(PLAIN)) == 0
    tokenizer = load_tokenizer(made)
    encoded = encode(tokenizer, "sort the list", "It sorts.\n\n### Response: twice")
    assert tokenizer.decode(encoded.ids[encoded.start :]) == (
        "It sorts.\n\n### Response: twice" + tokenizer.eos_token
    )
    opening = tokenizer.decode(encoded.ids[: encoded.start])
    assert opening.endswith("### Instruction:\nsort the list\n\n### Response:\n")


SYSTEM = 'You are "helpful".\nNothing {{ else }}, %} or é.'


def test_a_system_message_stands_before_every_exchange(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    spoken = {"chat_template": str(PLAIN), "system": SYSTEM}
    assert fetched(tiny_model, made, monkeypatch, **spoken) == 0
    tokenizer = load_tokenizer(made)
    user = [{"role": "user", "content": "sort"}]
    said = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
    assert said.startswith(SYSTEM + "\n\n### Instruction:\nsort")
    encoded = encode(tokenizer, "sort", "It sorts.")
    assert SYSTEM.splitlines()[0] in tokenizer.decode(encoded.ids[: encoded.start])
    assert tokenizer.decode(encoded.ids[encoded.start :]) == "It sorts." + tokenizer.eos_token
    own = [{"role": "system", "content": "Another."}, *user]
    said = tokenizer.apply_chat_template(own, tokenize=False)
    assert "Another." in said and SYSTEM not in said
    assert SYSTEM not in str(load_tokenizer(tiny_model).chat_template)


def test_a_template_that_takes_no_system_message_is_named(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Some templates raise (Gemma), and others ignore system messages."""
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    silent = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    for text in (refusing, silent):
        template = tmp_path / "template.jinja"
        template.write_text(text)
        more = {"chat_template": str(template), "system": SYSTEM}
        assert fetched(tiny_model, tmp_path / "made", monkeypatch, **more) == 2
        assert "made.system" in capsys.readouterr().err
        assert not (tmp_path / "made").exists()


def test_a_model_with_a_system_message_is_a_folder_of_the_study(
    study_config: dict[str, Any], tiny_model: Path
) -> None:
    study_config["models"]["own"] = {"path": str(tiny_model), "system": SYSTEM}
    study_config["targets"] = ["own"]
    study = preflight.checked_study(study_config, [])
    assert study.model("own") == study.path("models/own")
    assert "own" in study.fetched_models
    study_config["models"]["wren"]["system"] = SYSTEM
    with pytest.raises(ConfigError, match=r"models\.wren.*without system messages"):
        preflight.checked_study(study_config, [])


def test_a_study_of_a_model_without_template_ends_before_any_job(
    study_config: dict[str, Any], speechless: Path
) -> None:
    study_config["models"]["own"] = {"path": str(speechless)}
    study_config["targets"] = ["own"]
    with pytest.raises(ConfigError, match=r"models\.own\.chat_template"):
        preflight.checked_study(study_config, [])
    study_config["models"]["own"]["chat_template"] = "nowhere.jinja"
    with pytest.raises(ConfigError, match=r"no file nowhere\.jinja"):
        preflight.checked_study(study_config, [])
    study_config["models"]["own"]["chat_template"] = str(PLAIN)
    study = preflight.checked_study(study_config, [])
    assert study.model("own") == study.path("models/own")


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such chat template"):
        chat_templates.install(tmp_path, tmp_path / "none.jinja")
