"""Chat templates in model folders: detects missing ones, and adds or extends templates.

Training, generation and scoring all render prompts with the model's chat template. Models that
were only pretrained do not include one.
"""

import json
from pathlib import Path

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


def add_system_message(
    folder: Path, system: str, key: str, trust_remote_code: bool = False
) -> None:
    """Changes a folder's chat template to begin every conversation with a system message.

    Conversations with their own system message are unchanged. Raises InputError if the template
    does not support system messages; `key` is the config key of the message.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=trust_remote_code
    )
    first = json.dumps([{"role": "system", "content": system}], ensure_ascii=False)
    opening = (
        "{%- if not messages or messages[0]['role'] != 'system' -%}"
        f"{{%- set messages = {first} + messages -%}}"
        "{%- endif -%}"
    )
    template = opening + str(tokenizer.get_chat_template())
    messages = [{"role": "user", "content": "?"}]
    try:
        rendered = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
    except Exception:  # a template may raise any exception
        rendered = ""
    if system.strip() not in rendered:
        raise InputError(
            f"{key}: the model's chat template does not support a system message. Remove the key, "
            "or set chat_template to a template that supports one."
        )
    path = folder / FILE
    path.unlink(missing_ok=True)
    path.write_text(template, encoding="utf-8")


def path_of(name: str) -> Path:
    """Returns the path of a template in the config, relative to the repository if not found."""
    path = Path(name)
    return path if path.is_file() else REPOSITORY / name
