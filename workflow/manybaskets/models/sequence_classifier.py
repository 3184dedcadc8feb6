"""Scores texts with a sequence classification model: a label's probability, or a single output."""

from collections.abc import Sequence
from typing import Any

BATCH = 16


def output_index(label: str | None, names: dict[int, str]) -> int | None:
    """Returns the output of a label, given by name or number; None for a single-output model.

    `names` maps outputs to label names. Raises ValueError for an unknown label, for a missing
    label if the model has several outputs, and for any label if it has one.
    """
    if len(names) == 1:
        if label is not None:
            raise ValueError("the model has a single output, which is the score. Remove label.")
        return None
    indices = {name: index for index, name in names.items()} | {str(n): n for n in names}
    if label is None or label not in indices:
        listed = ", ".join(f"{index}: {name}" for index, name in sorted(names.items()))
        raise ValueError(
            f"label: the model has no label {label!r}. Its labels: {listed}. Use one of them."
        )
    return indices[label]


def scores(
    model: Any, tokenizer: Any, texts: Sequence[tuple[str, ...]], output: int | None
) -> list[float]:
    """Returns one score per text, or per pair of texts; longer inputs are truncated at the end.

    The score is the probability (softmax) of `output` or, if `output` is None, the model's single
    output. Batches contain texts of similar length.
    """
    import torch

    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    limit = min(tokenizer.model_max_length, _positions(model))
    results = [0.0] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: (sum(map(len, texts[i])), i))
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        parts = [list(part) for part in zip(*(texts[i] for i in batch), strict=True)]
        inputs = tokenizer(
            *parts, padding=True, truncation=True, max_length=limit, return_tensors="pt"
        ).to(model.device)
        with torch.inference_mode():
            logits = model(**inputs).logits.float()
        values = logits[:, 0] if output is None else logits.softmax(dim=-1)[:, output]
        for i, value in zip(batch, values.tolist(), strict=True):
            results[i] = value
    return results


def _positions(model: Any) -> int:
    """Returns the maximum number of tokens; RoBERTa's positions begin after the padding index."""
    count = getattr(model.config, "max_position_embeddings", None) or 10**6
    offset = (model.config.pad_token_id or 0) + 1 if "roberta" in model.config.model_type else 0
    return int(count) - offset
