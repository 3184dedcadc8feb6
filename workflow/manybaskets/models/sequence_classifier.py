"""Scores of texts by a model of sequence classification: a label's probability, or one output."""

from collections.abc import Sequence
from typing import Any

BATCH = 16


def place_of(label: str | None, names: dict[int, str]) -> int | None:
    """Which output a label is, by name or number; None for a model with a single output.

    Raises ValueError for a label that the model does not have, and for none where it has several.
    """
    if len(names) == 1:
        if label is not None:
            raise ValueError("the model has a single output, which is the score. Remove label.")
        return None
    known = {name: place for place, name in names.items()} | {str(n): n for n in names}
    if label is None or label not in known:
        listed = ", ".join(f"{place}: {name}" for place, name in sorted(names.items()))
        raise ValueError(f"label: the model has no label {label!r}. Its labels: {listed}.")
    return known[label]


def scores(
    model: Any, tokenizer: Any, texts: Sequence[tuple[str, ...]], place: int | None
) -> list[float]:
    """One score per text or pair of texts; what is longer than the model reads is cut at its end.

    The probability of output `place`, or the only output itself. Texts of similar length are read
    together.
    """
    import torch

    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    limit = min(tokenizer.model_max_length, _positions(model))
    found = [0.0] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: (sum(map(len, texts[i])), i))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        parts = [list(part) for part in zip(*(texts[i] for i in chosen), strict=True)]
        inputs = tokenizer(
            *parts, padding=True, truncation=True, max_length=limit, return_tensors="pt"
        ).to(model.device)
        with torch.inference_mode():
            logits = model(**inputs).logits.float()
        values = logits[:, 0] if place is None else logits.softmax(dim=-1)[:, place]
        for i, value in zip(chosen, values.tolist(), strict=True):
            found[i] = value
    return found


def _positions(model: Any) -> int:
    """Tokens that a model has positions for; RoBERTa's begin behind the padding's."""
    count = getattr(model.config, "max_position_embeddings", None) or 10**6
    offset = (model.config.pad_token_id or 0) + 1 if "roberta" in model.config.model_type else 0
    return int(count) - offset
