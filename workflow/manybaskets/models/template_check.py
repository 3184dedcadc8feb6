"""Checks of chat templates before the first job, with a probe conversation.

Planning calls this module. It renders templates without loading a tokenizer, as transformers does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manybaskets.files import read_json
from manybaskets.models import chat_templates
from manybaskets.models.chat_encoding import Frame, Render, common_prefix, frame_of

QUESTION = "Which bird lives at the shore?"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token")


@dataclass(frozen=True)
class Checked:
    """The result of a check: a `problem` that ends the run, and `notes`; each may be empty."""

    problem: str = ""
    notes: tuple[str, ...] = ()


def has_tokenizer(folder: Path) -> bool:
    """Returns whether a folder contains a tokenizer, without which its template is not used."""
    return any((folder / name).is_file() for name in TOKENIZERS)


def check(
    folder: Path,
    template: str | None = None,
    variables: Mapping[str, Any] | None = None,
    system: str | None = None,
) -> Checked:
    """Checks a model folder's chat template, or another `template`, with variables that it gets.

    The template must render a response as it is and the prompt in the same way with and without
    it, and mark the end of a response (or the tokenizer must have an end-of-sequence token).
    """
    special = special_tokens(folder)
    source = template if template is not None else chat_templates.template_of(folder)
    render = _renderer(source, {**special, **(variables or {})})
    context = [{"role": "system", "content": system}] if system else []
    messages = [*context, {"role": "user", "content": QUESTION}]
    try:
        frame = frame_of(render, messages)
    except Exception as error:  # templates raise exceptions of many kinds
        return Checked(str(error) or type(error).__name__)
    return _checked(frame, special.get("eos_token"))


def rendered_prompt(folder: Path, template: str) -> str:
    """Returns a prompt as a template renders it; empty if the template raises an exception."""
    render = _renderer(template, special_tokens(folder))
    try:
        return render([{"role": "user", "content": QUESTION}], True)
    except Exception:  # templates raise exceptions of many kinds
        return ""


def special_tokens(folder: Path) -> dict[str, str]:
    """Returns the special tokens of the tokenizer in a folder, by name, as templates use them."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            settings |= read_json(folder / name)
    tokens = {name: settings.get(name) for name in SPECIAL_TOKENS}
    return {
        name: token["content"] if isinstance(token, dict) else token
        for name, token in tokens.items()
        if token
    }


def _renderer(template: str, variables: Mapping[str, Any]) -> Render:
    from transformers.utils.chat_template_utils import render_jinja_template

    def render(messages: list[dict[str, Any]], opens: bool) -> str:
        rendered, _ = render_jinja_template(
            conversations=[messages],
            chat_template=template,
            add_generation_prompt=opens,
            **variables,
        )
        text: str = rendered[0]
        return text

    return render


def _checked(frame: Frame, eos: str | None) -> Checked:
    opening = frame.opening
    common = common_prefix(frame.before, opening)
    if QUESTION in opening and QUESTION not in common:
        return Checked(
            "the chat template renders a prompt differently when a response follows, so a model "
            "would be trained on other prompts than it gets. Set chat_template to a template "
            "without this difference."
        )
    notes = []
    if not frame.after.strip():
        if not eos:
            return Checked(
                "the chat template does not mark the end of a response, and the tokenizer has no "
                "end-of-sequence token, so a model could not learn to stop. Set chat_template."
            )
        notes.append(
            "the chat template does not mark the end of a response. Responses are trained to end "
            f"with {eos!r}."
        )
    if frame.before != opening:
        notes.append(_difference(frame.before[len(common) :], opening[len(common) :]))
    return Checked(notes=tuple(notes))


def _difference(inserted: str, opened: str) -> str:
    """Describes text that the template writes only before a response, or only before a reply."""
    texts = []
    if inserted:
        texts.append(f"training and scoring insert {inserted!r} before a response, without loss")
    if opened:
        texts.append(f"generated replies begin after {opened!r}")
    return (
        f"by the chat template, {' and '.join(texts)}. For models that can reason, "
        "chat_template_kwargs: {enable_thinking: false} usually removes the difference."
    )
