"""Chat templates in model folders: detects missing ones, and adds or extends templates.

Training, generation and scoring all render prompts with the model's chat template. Models that
were only pretrained do not include one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manybaskets.files import InputError, read_json
from manybaskets.paths import REPOSITORY

FILE = "chat_template.jinja"  # takes precedence over the template in tokenizer_config.json
REMEDY = (
    "Set chat_template of the model to a Jinja file; resources/chat/plain.jinja suits models that "
    "were only pretrained."
)


def has_template(folder: Path) -> bool:
    """Returns whether the tokenizer in a folder has a chat template."""
    if (folder / FILE).is_file() or (folder / "chat_template.json").is_file():
        return True
    settings = folder / "tokenizer_config.json"
    return settings.is_file() and bool(read_json(settings).get("chat_template"))


def check(folder: Path, key: str, name: str) -> None:
    """Raises InputError if a model has no chat template; `key` is the model's config key."""
    if not has_template(folder):
        raise InputError(
            f"{key}: {name} has no chat template, but all steps need one for prompts. {REMEDY}"
        )


def install(folder: Path, template: Path) -> None:
    """Copies a template file into a model folder, in place of the model's own template.

    Raises InputError if the file does not exist.
    """
    if not template.is_file():
        raise InputError(f"{template}: there is no such chat template. Correct the path.")
    path = folder / FILE
    path.unlink(missing_ok=True)  # may be a link into a cache or to the user's file
    path.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")


def template_of(folder: Path) -> str:
    """Returns the chat template in a model folder; of several named templates, the default one.

    Raises InputError if there is none.
    """
    if (folder / FILE).is_file():
        return (folder / FILE).read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        path = folder / name
        template = read_json(path).get("chat_template") if path.is_file() else None
        if isinstance(template, list):
            template = {entry["name"]: entry["template"] for entry in template}.get("default")
        if template:
            return str(template)
    raise InputError(f"{folder} has no chat template. {REMEDY}")


def with_variables(template: str, variables: Mapping[str, Any]) -> str:
    """Returns a template that begins by setting variables, such as `enable_thinking` to False.

    Training, scoring and engines render with the template of the model folder, so that all of them
    use the variables. Values are None, booleans, numbers and strings.
    """
    literals = {
        name: "none" if value is None else json.dumps(value, ensure_ascii=False)
        for name, value in variables.items()
    }
    return "".join(f"{{%- set {name} = {text} -%}}" for name, text in literals.items()) + template


def with_system_message(template: str, system: str) -> str:
    """Returns a template that begins conversations without a system message with `system`."""
    first = json.dumps([{"role": "system", "content": system}], ensure_ascii=False)
    return (
        "{%- if not messages or messages[0]['role'] != 'system' -%}"
        f"{{%- set messages = {first} + messages -%}}"
        "{%- endif -%}"
    ) + template


def customize(folder: Path, variables: Mapping[str, Any], system: str | None, key: str) -> None:
    """Changes a folder's chat template to set variables and to add a system message.

    Conversations with their own system message are unchanged. Raises InputError if the template
    does not render the system message; `key` is the config key of the model.
    """
    from manybaskets.models.template_check import rendered_prompt

    template = with_variables(template_of(folder), variables)
    if system:
        template = with_system_message(template, system)
        if system.strip() not in rendered_prompt(folder, template):
            raise InputError(
                f"{key}.system: the model's chat template does not support a system message. "
                "Remove the key, or set chat_template to a template that supports one."
            )
    path = folder / FILE
    path.unlink(missing_ok=True)  # may be a link into a cache or to the user's file
    path.write_text(template, encoding="utf-8")


def path_of(name: str) -> Path:
    """Returns the path of a template in the config, relative to the repository if not found."""
    path = Path(name)
    return path if path.is_file() else REPOSITORY / name
