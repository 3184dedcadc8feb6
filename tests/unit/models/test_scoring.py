"""Likelihood: equal to transformers' own loss, on response tokens only."""

import functools
import math
from pathlib import Path
from typing import Any

import pytest

from manybaskets.models import chat_encoding, scoring
from tests.support.scored_rows import ROWS, spoil, texts


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    return model, AutoTokenizer.from_pretrained(tiny_model)


def test_the_response_is_what_stands_between_opening_and_end(loaded: tuple[Any, Any]) -> None:
    _, tokenizer = loaded
    encoded = chat_encoding.encode(tokenizer, "sort the list", "return a copy")
    assert tokenizer.decode(encoded.ids[encoded.start :]) == "return a copy<|end|>"
    assert tokenizer.decode(encoded.ids[: encoded.start]).endswith("<|assistant|>")
    assert encoded.response_bytes == len("return a copy")


def test_a_template_that_drops_the_response_is_an_error(loaded: tuple[Any, Any]) -> None:
    import copy

    tokenizer = copy.deepcopy(loaded[1])
    tokenizer.chat_template = "{% for m in messages %}{{ m.content | upper }}{% endfor %}"
    with pytest.raises(ValueError, match="changes or drops the response"):
        chat_encoding.encode(tokenizer, "sort", "list")


def test_nats_equal_the_loss_of_transformers(loaded: tuple[Any, Any]) -> None:
    import torch

    model, tokenizer = loaded
    found = scoring.score(model, tokenizer, ROWS, 128)
    for i, row in enumerate(ROWS):
        encoded = chat_encoding.encode(tokenizer, row["prompt"], row["response"])
        ids = torch.tensor([encoded.ids])
        labels = ids.clone()
        labels[0, : encoded.start] = -100
        loss = model(input_ids=ids, labels=labels).loss.item()
        assert found.nats[i] / found.tokens[i] == pytest.approx(loss, abs=1e-4)


def test_it_does_not_matter_what_else_is_in_the_batch(loaded: tuple[Any, Any]) -> None:
    together = scoring.score(*loaded, ROWS, 128)
    alone = [scoring.score(*loaded, [row], 128).nats[0] for row in ROWS]
    assert together.nats == pytest.approx(alone, abs=1e-3)


def test_bits_per_byte_and_nats_per_token_of_hand_made_sums() -> None:
    found = scoring.Likelihood(
        ["a", "b"], [math.log(2) * 8, math.log(2) * 4], [1.0, 1.0], [1, 1], [2, 1], [4, 2], {}
    )
    assert found.bits_per_byte == pytest.approx(2.0)
    assert found.nats_per_token == pytest.approx(math.log(2) * 4)


def test_rows_longer_than_the_context_are_listed(loaded: tuple[Any, Any]) -> None:
    lengths = {
        row["id"]: len(chat_encoding.encode(loaded[1], row["prompt"], row["response"]).ids)
        for row in ROWS
    }
    shortest = min(lengths.values())
    found = scoring.score(*loaded, ROWS, shortest)
    assert list(found.excluded) == [name for name, length in lengths.items() if length > shortest]
    assert set(found.ids) | set(found.excluded) == {row["id"] for row in ROWS}
    assert all(f"the context of {shortest}" in reason for reason in found.excluded.values())


def test_nothing_that_can_be_scored_has_no_value_and_all_reasons(loaded: tuple[Any, Any]) -> None:
    rows = [{"id": "e", "prompt": "sort", "response": " \n"}, ROWS[0]]
    found = scoring.score(*loaded, rows, 2)
    assert (found.nats_per_token, found.bits_per_byte, found.nats) == (None, None, [])
    assert found.excluded["e"] == "the response is empty"
    assert "do not fit the context of 2" in found.excluded["a"]


def test_values_that_are_not_finite_are_excluded_and_not_averaged(
    loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scoring.score(*loaded, ROWS, 128)
    spoil(monkeypatch, loaded[0], len(chat_encoding.encode(loaded[1], **texts(ROWS[1])).ids))
    found = scoring.score(*loaded, ROWS, 128, batch_tokens=1)
    assert found.excluded == {"b": scoring.NOT_FINITE}
    assert found.nats == pytest.approx([whole.nats[0], whole.nats[2]], abs=1e-3)


def test_a_tokenizer_without_a_padding_token_will_do(loaded: tuple[Any, Any]) -> None:
    import copy

    bare = copy.deepcopy(loaded[1])
    bare.pad_token = None
    assert bare.pad_token is None
    found = scoring.score(loaded[0], bare, ROWS, 128)
    assert found.nats == scoring.score(*loaded, ROWS, 128).nats


def test_the_closing_token_is_the_last_of_the_response(loaded: tuple[Any, Any]) -> None:
    import torch

    model, tokenizer = loaded
    found = scoring.score(model, tokenizer, ROWS[:1], 128)
    encoded = chat_encoding.encode(tokenizer, **texts(ROWS[0]))
    logits = model(input_ids=torch.tensor([encoded.ids])).logits[0, -2].float()
    expected = -torch.log_softmax(logits, -1)[encoded.ids[-1]].item()
    assert found.closing == [pytest.approx(expected, abs=1e-4)]


@pytest.mark.parametrize("rows", [1, 2])
def test_a_batch_that_memory_does_not_hold_is_scored_in_parts(
    loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    whole = scoring.score(*loaded, ROWS, 128)
    short_of_memory(monkeypatch, loaded[0], rows)
    parts = scoring.score(*loaded, ROWS, 128)
    assert parts.nats == pytest.approx(whole.nats, abs=1e-3)
    assert parts.tokens == whole.tokens


def test_memory_for_less_than_a_row_names_the_key_to_change(
    loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, loaded[0], rows=0)
    with pytest.raises(RuntimeError, match=r"engine\.max_model_len"):
        scoring.score(*loaded, ROWS, 128)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, model: Any, rows: int) -> None:
    """Makes the model raise an out-of-memory error for more than `rows` rows."""
    import torch

    forward = model.forward

    @functools.wraps(forward)
    def limited(**named: Any) -> Any:
        if len(named["input_ids"]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(**named)

    monkeypatch.setattr(model, "forward", limited)
