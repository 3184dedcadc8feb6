"""Chat templates of models in folders: who has one, and how one without gets one.

Every step speaks to models in conversations, so that one text stands before a reply in training,
in generation and in scoring. A model that was only pretrained has no template of its own.
"""

import json
from pathlib import Path

from manybaskets.files import InputError, read_json
from manybaskets.paths import REPOSITORY

FILE = "chat_template.jinja"  # comes before what tokenizer_config.json says
MEND = (
    "Name a Jinja file under chat_template of the model; resources/chat/plain.jinja suits models "
    "that were never taught a conversation."
)


def has_template(folder: Path) -> bool:
    """Whether the tokenizer in a folder knows how a conversation is written."""
    if (folder / FILE).is_file() or (folder / "chat_template.json").is_file():
        return True
    settings = folder / "tokenizer_config.json"
    return settings.is_file() and bool(read_json(settings).get("chat_template"))


def check(folder: Path, key: str, name: str) -> None:
    """Raises InputError for a model without a template; `key` is its place in the config."""
    if not has_template(folder):
        raise InputError(
            f"{key}: {name} has no chat template, and steps ask in conversations. {MEND}"
        )


def give(folder: Path, template: Path) -> None:
    """Puts a template into a folder in place of what is there; raises InputError where it has none."""
    if not template.is_file():
        raise InputError(f"{template}: there is no such chat template. Mend the path.")
    place = folder / FILE
    place.unlink(missing_ok=True)  # a link into a cache or to the user's own file
    place.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")


def precede(folder: Path, system: str, key: str, trust_remote_code: bool = False) -> None:
    """Lets every conversation of a folder's model begin with a system message.

    Whoever sends one of their own keeps it. Raises InputError where the template takes none; `key` is
    the message's place in the config.
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
    asked = [{"role": "user", "content": "?"}]
    try:
        said = tokenizer.apply_chat_template(asked, chat_template=template, tokenize=False)
    except Exception:  # templates raise what they like
        said = ""
    if system.strip() not in said:
        raise InputError(
            f"{key}: the model's chat template takes no system message. Remove the key, or name a "
            "template that takes one under chat_template."
        )
    place = folder / FILE
    place.unlink(missing_ok=True)
    place.write_text(template, encoding="utf-8")


def place(name: str) -> Path:
    """Where a template is that a config names: there, or below the repository."""
    given = Path(name)
    return given if given.is_file() else REPOSITORY / name
