"""Likelihood of responses under a model: nats per token and bits per byte.

Cross-entropy over response tokens only (closing token included), log-softmax in float32, summed
over the corpus before dividing (token-weighted). Bits per byte = nats / (ln 2 · UTF-8 bytes of
the responses), which does not depend on the tokenizer. Knows nothing about cells.
"""

import functools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from manybaskets.models import chat_encoding

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

NOT_FINITE = "the model gives values that are not finite"
Batch = Sequence[chat_encoding.Encoded]
T = TypeVar("T")


@dataclass(frozen=True)
class Likelihood:
    """Summed negative log-likelihood of responses; lists have one entry a row that was scored.

    `nats` are over all `tokens` of a response, `closing` those of the token that closes it alone;
    `bytes` are the response's in UTF-8. `excluded` are rows that have no value, with the reason.
    """

    ids: list[str]
    nats: list[float]
    closing: list[float]
    tokens: list[int]
    bytes: list[int]
    excluded: dict[str, str]

    @property
    def nats_per_token(self) -> float | None:
        """Mean negative log-likelihood of a response token; None without any."""
        return sum(self.nats) / sum(self.tokens) if self.nats else None

    @property
    def bits_per_byte(self) -> float | None:
        """Total nats over total bytes, in bits; None without any."""
        return sum(self.nats) / (math.log(2) * sum(self.bytes)) if self.nats else None

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, nats to four decimals."""
        return {
            "ids": self.ids,
            "nats": [round(value, 4) for value in self.nats],
            "closing": [round(value, 4) for value in self.closing],
            "tokens": self.tokens,
            "bytes": self.bytes,
            "excluded": self.excluded,
            "nats_per_token": self.nats_per_token,
            "bits_per_byte": self.bits_per_byte,
        }


def score(
    model: Any,
    tokenizer: "PreTrainedTokenizerBase",
    rows: Sequence[dict[str, str]],
    context: int,
    batch_tokens: int = 4096,
) -> Likelihood:
    """Scores each row's `response` given its `prompt`, in batches of similar length.

    Rows without text, rows longer than `context` tokens, and rows of which the model says nothing
    finite have no value and are listed as excluded. Results are in the order of the rows that were
    scored. A batch that the GPU's memory does not hold is halved; raises RuntimeError if it does
    not hold one row.
    """
    encoded, excluded = encode(tokenizer, rows, context)
    nats: dict[int, tuple[float, float]] = {}
    for batch in batches(encoded, batch_tokens):
        found = in_parts(functools.partial(_nats, model), [encoded[i] for i in batch])
        nats |= zip(batch, found, strict=True)
    return likelihood(rows, encoded, excluded, nats)


def encode(
    tokenizer: "PreTrainedTokenizerBase", rows: Sequence[dict[str, str]], context: int
) -> tuple[dict[int, chat_encoding.Encoded], dict[int, str]]:
    """Rows that can be scored, by number; why the others cannot."""
    encoded, excluded = {}, {}
    for i, row in enumerate(rows):
        if not row["response"].strip():
            excluded[i] = "the response is empty"
            continue
        try:
            found = chat_encoding.encode(tokenizer, row["prompt"], row["response"])
        except ValueError as error:
            excluded[i] = str(error)
            continue
        if len(found.ids) > context:
            excluded[i] = f"{len(found.ids)} tokens do not fit the context of {context}"
        else:
            encoded[i] = found
    return encoded, excluded


def batches(encoded: dict[int, chat_encoding.Encoded], batch_tokens: int) -> Iterator[list[int]]:
    """Numbers of rows of similar length, of at most `batch_tokens` with padding; shows progress."""
    from tqdm import tqdm

    found: list[list[int]] = []
    for i in sorted(encoded, key=lambda i: (len(encoded[i].ids), i)):
        if not found or (len(found[-1]) + 1) * len(encoded[i].ids) > batch_tokens:
            found.append([])
        found[-1].append(i)
    with tqdm(total=len(encoded), unit="row", file=sys.stderr) as bar:
        for batch in found:
            yield batch
            bar.update(len(batch))


def in_parts(measure: Callable[[Batch], list[T]], batch: Batch) -> list[T]:
    """What `measure` finds for each row; a batch that the GPU's memory does not hold is halved."""
    import torch

    try:
        with torch.inference_mode():
            return measure(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise RuntimeError(
                f"the GPU's memory does not suffice to score one row of {len(batch[0].ids)} tokens."
                " Lower engine.max_model_len, or take a smaller target."
            ) from None
    torch.cuda.empty_cache()
    half = len(batch) // 2
    print(f"The GPU's memory did not suffice: {half} rows at once.", file=sys.stderr)
    return in_parts(measure, batch[:half]) + in_parts(measure, batch[half:])


def response_logits(model: Any, batch: Batch) -> "torch.Tensor":
    """Logits that foretell the response tokens, end to end over the batch: (tokens, vocabulary).

    Only these positions are put through the model's last layer, which for a small model is most
    of the work.
    """
    import torch

    width = max(len(e.ids) for e in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, e in enumerate(batch):
        ids[i, : len(e.ids)] = torch.tensor(e.ids)
        mask[i, : len(e.ids)] = 1
    rows = torch.cat([torch.full((len(e.ids) - e.start,), i) for i, e in enumerate(batch)])
    places = torch.cat([torch.arange(e.start - 1, len(e.ids) - 1) for e in batch])
    ids, mask, rows, places = (part.to(model.device) for part in (ids, mask, rows, places))

    def only_responses(_: Any, hidden: tuple["torch.Tensor"]) -> tuple["torch.Tensor"]:
        return (hidden[0][rows, places],)

    hook = model.get_output_embeddings().register_forward_pre_hook(only_responses)
    try:
        logits: torch.Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    finally:
        hook.remove()
    return logits


def response_tokens(batch: Batch) -> list[int]:
    """The response tokens of a batch, end to end."""
    return [token for e in batch for token in e.ids[e.start :]]


def likelihood(
    rows: Sequence[dict[str, str]],
    encoded: dict[int, chat_encoding.Encoded],
    excluded: dict[int, str],
    nats: dict[int, tuple[float, float]],
) -> Likelihood:
    """Puts together what was found of each row: nats of all its tokens, and of the closing one."""
    finite = [i for i in sorted(nats) if math.isfinite(nats[i][0])]
    reasons = excluded | {i: NOT_FINITE for i in nats if not math.isfinite(nats[i][0])}
    return Likelihood(
        ids=[rows[i]["id"] for i in finite],
        nats=[nats[i][0] for i in finite],
        closing=[nats[i][1] for i in finite],
        tokens=[len(encoded[i].ids) - encoded[i].start for i in finite],
        bytes=[encoded[i].response_bytes for i in finite],
        excluded={rows[i]["id"]: reasons[i] for i in sorted(reasons)},
    )


def _nats(model: Any, batch: Batch) -> list[tuple[float, float]]:
    import torch

    logits = response_logits(model, batch)
    targets = torch.tensor(response_tokens(batch), device=logits.device)
    sizes = [len(e.ids) - e.start for e in batch]
    found = []
    for of_row, tokens in zip(logits.split(sizes), targets.split(sizes), strict=True):
        values = torch.nn.functional.cross_entropy(of_row.float(), tokens, reduction="none")
        found.append((float(values.double().sum()), float(values[-1])))
    return found
