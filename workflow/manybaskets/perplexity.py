"""Likelihood of human responses under a model: nats per token and bits per byte.

Cross-entropy over response tokens only (closing token included), log-softmax in float32, summed
over the corpus before dividing (token-weighted). Bits per byte = nats / (ln 2 · UTF-8 bytes of
the responses), which does not depend on the tokenizer. Knows nothing about cells.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manybaskets import conversations

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Likelihood:
    """Summed negative log-likelihood of responses. `nats`, `tokens`, `bytes`: shape (rows,).

    `excluded` are ids of rows longer than the context.
    """

    nats: list[float]
    tokens: list[int]
    bytes: list[int]
    excluded: list[str]

    @property
    def nats_per_token(self) -> float:
        """Mean negative log-likelihood of a response token."""
        return sum(self.nats) / sum(self.tokens)

    @property
    def bits_per_byte(self) -> float:
        """Total nats over total bytes, in bits."""
        return sum(self.nats) / (math.log(2) * sum(self.bytes))


def score(
    model: Any,
    tokenizer: "PreTrainedTokenizerBase",
    rows: Sequence[dict[str, str]],
    context: int,
    batch_tokens: int = 4096,
) -> Likelihood:
    """Scores each row's `response` given its `prompt`, in batches of similar length.

    Rows longer than `context` tokens are not scored and are listed as excluded. Results are in
    the order of the rows that were scored. A batch that the GPU's memory does not hold is halved.
    Raises ValueError if nothing could be scored, RuntimeError if the memory does not hold one row.
    """
    import torch
    from tqdm import tqdm

    encoded = [conversations.encode(tokenizer, row["prompt"], row["response"]) for row in rows]
    fits = [i for i, e in enumerate(encoded) if len(e.ids) <= context]
    if not fits:
        raise ValueError(f"none of {len(rows)} rows fits the context of {context} tokens")
    nats: dict[int, float] = {}
    with torch.inference_mode(), tqdm(total=len(fits), unit="row", file=sys.stderr) as bar:
        for batch in _batches(fits, [len(e.ids) for e in encoded], batch_tokens):
            nats |= zip(batch, _nats_in_parts(model, [encoded[i] for i in batch]), strict=True)
            bar.update(len(batch))
    return Likelihood(
        nats=[nats[i] for i in fits],
        tokens=[len(encoded[i].ids) - encoded[i].start for i in fits],
        bytes=[encoded[i].response_bytes for i in fits],
        excluded=[rows[i]["id"] for i in range(len(rows)) if i not in nats],
    )


def _nats_in_parts(model: Any, batch: "Sequence[conversations.Encoded]") -> list[float]:
    import torch

    try:
        return _nats(model, batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise RuntimeError(
                f"the GPU's memory does not suffice to score one row of {len(batch[0].ids)} tokens."
                " Lower engine.max_model_len, or take a smaller target."
            ) from None
    torch.cuda.empty_cache()
    half = len(batch) // 2
    print(f"The GPU's memory did not suffice: {half} rows at once.", file=sys.stderr)
    return _nats_in_parts(model, batch[:half]) + _nats_in_parts(model, batch[half:])


def _nats(model: Any, batch: "Sequence[conversations.Encoded]") -> list[float]:
    import torch

    width = max(len(e.ids) for e in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, e in enumerate(batch):
        ids[i, : len(e.ids)] = torch.tensor(e.ids)
        mask[i, : len(e.ids)] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    values = []
    for i, e in enumerate(batch):
        rows = logits[i, e.start - 1 : len(e.ids) - 1].float()
        targets = ids[i, e.start : len(e.ids)]
        values.append(_cross_entropy(rows, targets))
    return values


def _cross_entropy(logits: "torch.Tensor", targets: "torch.Tensor") -> float:
    import torch

    return float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum").double())


def _batches(rows: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for i in sorted(rows, key=lambda i: (lengths[i], i)):
        if not batches or (len(batches[-1]) + 1) * lengths[i] > batch_tokens:
            batches.append([])
        batches[-1].append(i)
    return batches
