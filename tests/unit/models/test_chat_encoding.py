"""Under every chat template, the tokens with loss are the response and the end of the turn.

The templates are those that TRL ships, and Llama 2's. The tokenizer has their markers as special
tokens, as the tokenizers of their models do.
"""

import copy
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from manybaskets.models import chat_encoding, template_check
from manybaskets.models.chat_encoding import encode
from manybaskets.models.loading import load_tokenizer

SHIPPED = files("trl") / "chat_templates"
LLAMA2 = (
    "{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + m['content'] | trim + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)
TEMPLATES = {
    path.name.removesuffix(".jinja"): path.read_text(encoding="utf-8")
    for path in sorted(SHIPPED.iterdir(), key=lambda path: path.name)
    if path.name.endswith(".jinja")
} | {"llama2": LLAMA2}
# The token that ends a turn, by the beginning of the template's name; the first match counts.
ENDS = {
    "cohere": "<|END_OF_TURN_TOKEN|>",
    "deepseek": "<｜end▁of▁sentence｜>",
    "diffusion_gemma": "<turn|>",
    "gemma4": "<turn|>",
    "gemma": "<end_of_turn>",
    "glm4moe_training": "<|user|>",
    "gptoss": "<|return|>",
    "idefics3": "<end_of_utterance>",
    "smolvlm": "<end_of_utterance>",
    "llama3": "<|eot_id|>",
    "muse": "<|eot|>",
    "phi3": "<|end|>",
    "lfm2": "<|im_end|>",
    "nemotron": "<|im_end|>",
    "qwen": "<|im_end|>",
}
MARKERS = re.compile(r"<[|｜][^|｜<>\s]+[|｜]>|<(?:start|end)_of_\w+>|<turn\|>|<\|turn>")
RESPONSES = [
    "The gull flies.",
    "42",
    "Two\n\nparagraphs — “quoted”.",
    "  code:\n    return {'a': 1}".strip(),
    "海鸥在飞。",
    "🐦‍⬛ नमस्ते",
    "assistant\nuser: no",
    "Name a bird.",  # the prompt's own text
    "</s> is written like this in plain text"[5:],
]
PROMPT = "Name a bird."


@pytest.fixture(scope="module")
def plain(tiny_model: Path) -> Any:
    tokenizer = load_tokenizer(tiny_model)
    markers = {marker for text in TEMPLATES.values() for marker in MARKERS.findall(text)}
    tokenizer.add_tokens(sorted(markers | {"<s>", "</s>"}), special_tokens=True)
    tokenizer.bos_token = "<s>"
    return tokenizer


def tokenizer_of(plain: Any, name: str) -> tuple[Any, str]:
    """Returns a tokenizer with a template, and the token that ends a turn."""
    tokenizer = copy.copy(plain)
    end = next((token for prefix, token in ENDS.items() if name.startswith(prefix)), "</s>")
    tokenizer.eos_token, tokenizer.chat_template = end, TEMPLATES[name]
    return tokenizer, end


@pytest.mark.parametrize("name", TEMPLATES)
def test_loss_is_on_the_response_and_on_one_end_of_the_turn(plain: Any, name: str) -> None:
    tokenizer, end = tokenizer_of(plain, name)
    for response in RESPONSES:
        encoded = encode(tokenizer, PROMPT, response)
        with_loss = [id for id, flag in zip(encoded.ids, encoded.with_loss, strict=True) if flag]
        assert with_loss == encoded.ids[encoded.start :]
        text = tokenizer.decode(with_loss[: -encoded.closing])
        assert text.lstrip() == response
        closing = tokenizer.convert_ids_to_tokens(with_loss[-encoded.closing :])
        assert closing[-1] == end and closing.count(end) == 1
        assert PROMPT in tokenizer.decode(encoded.ids[: encoded.start])
        assert encoded.response_bytes == len(response.encode())


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_template_inserts_into_the_turn_is_context(plain: Any, name: str) -> None:
    tokenizer, _ = tokenizer_of(plain, name)
    encoded = encode(tokenizer, PROMPT, "The gull flies.")
    context = tokenizer.decode(encoded.ids[: encoded.start])
    rendered = tokenizer.decode(encoded.ids)
    for inserted in ("<think>", "</think>", "<|channel|>"):
        assert rendered.count(inserted) == context.count(inserted)


def test_the_blank_before_llama_2_s_end_token_does_not_replace_it(plain: Any) -> None:
    tokenizer, end = tokenizer_of(plain, "llama2")
    encoded = encode(tokenizer, PROMPT, "The gull.")
    assert encoded.ids[-1] == tokenizer.convert_tokens_to_ids(end)
    assert encoded.ids.count(encoded.ids[-1]) == 1
    assert encoded.closing == 2


def test_the_end_is_trained_where_it_is_also_the_pad_token(plain: Any) -> None:
    from manybaskets.training.batching import IGNORED, padded
    from manybaskets.training.trainer import encode as encode_rows

    tokenizer, _ = tokenizer_of(plain, "qwen2_5")
    tokenizer.pad_token = tokenizer.eos_token
    rows = [{"prompt": PROMPT, "response": text} for text in ("A gull.", "A gull flies far away.")]
    encoded, _ = encode_rows(tokenizer, rows, 512)
    labels = padded(encoded, tokenizer.pad_token_id)["labels"]
    assert (labels == tokenizer.eos_token_id).sum(1).tolist() == [1, 1]
    assert (labels != IGNORED).sum().item() == sum(
        label != IGNORED for row in encoded for label in row.labels
    )


def test_the_model_folder_s_list_of_end_tokens_counts(plain: Any, tmp_path: Path) -> None:
    tokenizer, _ = tokenizer_of(plain, "phi3")
    tokenizer.eos_token, tokenizer.name_or_path = "</s>", str(tmp_path)
    stop = tokenizer.convert_tokens_to_ids("<|end|>")
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [stop]}))
    encoded = encode(tokenizer, PROMPT, "A gull.")
    assert (encoded.ids[-1], encoded.closing) == (stop, 1)


@pytest.mark.parametrize(("turns", "trained"), [("last", ["Two."]), ("all", ["One.", "Two."])])
@pytest.mark.parametrize("name", ["qwen2_5", "llama3_1", "gemma3", "llama2", "qwen3"])
def test_earlier_turns_carry_loss_if_asked_for(
    plain: Any, name: str, turns: str, trained: list[str]
) -> None:
    tokenizer, end = tokenizer_of(plain, name)
    context = [{"role": "user", "content": "Say 1."}, {"role": "assistant", "content": "One."}]
    encoded = encode(tokenizer, "Say 2.", "Two.", context, turns)
    with_loss = [id for id, flag in zip(encoded.ids, encoded.with_loss, strict=True) if flag]
    texts = [text.strip() for text in tokenizer.decode(with_loss).split(end)]
    assert texts == [*trained, ""]


def test_a_response_may_contain_its_own_reasoning(plain: Any) -> None:
    response = "<think>\nA bird?\n</think>\n\nA gull."
    for name in ("qwen3", "qwen3_5_think", "qwen2_5"):
        tokenizer, _ = tokenizer_of(plain, name)
        encoded = encode(tokenizer, PROMPT, response)
        assert tokenizer.decode(encoded.ids).count("<think>") == 1
        assert tokenizer.decode(encoded.ids[encoded.start : -encoded.closing]) == response


def test_a_system_message_that_the_template_refuses_is_named(plain: Any) -> None:
    tokenizer, _ = tokenizer_of(plain, "gemma")
    context = [{"role": "system", "content": "Be brief."}]
    with pytest.raises(ValueError, match="System role not supported"):
        encode(tokenizer, PROMPT, "A gull.", context)


def check(plain: Any, name: str, folder: Path, **settings: Any) -> template_check.Checked:
    end = tokenizer_of(plain, name)[1]
    tokens = {"bos_token": "<s>", "eos_token": end}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens))
    return template_check.check(folder, TEMPLATES[name], **settings)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_check_before_a_run_renders_as_training_does(
    plain: Any, name: str, tmp_path: Path
) -> None:
    assert check(plain, name, tmp_path).problem == ""


def test_the_check_names_what_a_template_does(plain: Any, tmp_path: Path) -> None:
    assert check(plain, "qwen2_5", tmp_path).notes == ()
    (note,) = check(plain, "qwen3", tmp_path).notes
    assert r"'<think>\n\n</think>\n\n'" in note and "enable_thinking: false" in note
    assert check(plain, "qwen3", tmp_path, variables={"enable_thinking": False}).notes == ()
    first, _ = check(plain, "glm4moe", tmp_path).notes
    assert "does not mark the end of a response" in first and "'</s>'" in first
    assert "System role" in check(plain, "gemma", tmp_path, system="Be brief.").problem


def test_a_template_without_any_end_is_a_problem(tmp_path: Path) -> None:
    checked = template_check.check(tmp_path, TEMPLATES["glm4moe"])
    assert "could not learn to stop" in checked.problem


def test_a_template_that_renders_prompts_in_two_ways_is_a_problem(tmp_path: Path) -> None:
    two_ways = (
        "{% for m in messages %}{% if add_generation_prompt %}Q: {{ m.content }}"
        "{% else %}{{ m.role }}: {{ m.content }}.{% endif %}{% endfor %}"
    )
    assert "differently" in template_check.check(tmp_path, two_ways).problem


def test_common_prefixes() -> None:
    assert chat_encoding.common_prefix("gull", "guest") == "gu"
    assert chat_encoding.common_prefix("gull", "gulls") == "gull"
    assert chat_encoding.common_prefix("", "x") == ""
