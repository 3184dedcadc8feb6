"""Likelihood of responses under a model: nats per token and bits per byte.

The negative log-likelihood is summed over the response tokens of all rows (with those that close
the turn), from a float32 log-softmax, and then divided by the number of tokens. Bits per byte =
nats / (ln 2 · UTF-8 bytes of the responses), which does not depend on the tokenizer.
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
    """Negative log-likelihoods of responses; the lists have one entry per scored row.

    `nats` are sums over all `tokens` of a response, `closing` the nats of its `closing_tokens`,
    and `bytes` its UTF-8 bytes. `excluded` maps the ids of rows without a value to the reason.
    """

    ids: list[str]
    nats: list[float]
    closing: list[float]
    closing_tokens: list[int]
    tokens: list[int]
    bytes: list[int]
    excluded: dict[str, str]

    @property
    def nats_per_token(self) -> float | None:
        """Returns the mean negative log-likelihood of a response token; None without rows."""
        return sum(self.nats) / sum(self.tokens) if self.nats else None

    @property
    def bits_per_byte(self) -> float | None:
        """Returns the total nats divided by the total bytes, in bits; None without rows."""
        return sum(self.nats) / (math.log(2) * sum(self.bytes)) if self.nats else None

    def to_json(self) -> dict[str, Any]:
        """Returns the fields and both means for JSON, with nats rounded to four decimals."""
        return {
            "ids": self.ids,
            "nats": [round(value, 4) for value in self.nats],
            "closing": [round(value, 4) for value in self.closing],
            "closing_tokens": self.closing_tokens,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "excluded": self.excluded,
            "nats_per_token": self.nats_per_token,
            "bits_per_byte": self.bits_per_byte,
        }


def score(
    model: Any,
    tokenizer: "PreTrainedTokenizerBase",
    rows: Sequence[dict[str, Any]],
    context: int,
    batch_tokens: int = 4096,
) -> Likelihood:
    """Returns the likelihood of each row's `response` given its `prompt`, in the order of the rows.

    Rows with an empty response, rows longer than `context` tokens, and rows with values that are
    not finite are excluded. Batches contain rows of similar length, up to `batch_tokens` tokens;
    if the GPU is out of memory, a batch is halved. Raises RuntimeError if the memory is too small
    for one row.
    """
    encoded, excluded = encode(tokenizer, rows, context)
    nats: dict[int, tuple[float, float]] = {}
    for batch in batches(encoded, batch_tokens):
        values = in_parts(functools.partial(_nats, model), [encoded[i] for i in batch])
        nats |= zip(batch, values, strict=True)
    return likelihood(rows, encoded, excluded, nats)


def encode(
    tokenizer: "PreTrainedTokenizerBase", rows: Sequence[dict[str, Any]], context: int
) -> tuple[dict[int, chat_encoding.Encoded], dict[int, str]]:
    """Returns the encoded rows by row number, and the reasons why the other rows are excluded."""
    encoded, excluded = {}, {}
    for i, row in enumerate(rows):
        if not row["response"].strip():
            excluded[i] = "the response is empty"
            continue
        try:
            exchange = chat_encoding.encode(
                tokenizer, row["prompt"], row["response"], row.get("context_messages", ())
            )
        except ValueError as error:
            excluded[i] = str(error)
            continue
        if len(exchange.ids) > context:
            excluded[i] = f"{len(exchange.ids)} tokens do not fit the context of {context}"
        else:
            encoded[i] = exchange
    return encoded, excluded


def batches(encoded: dict[int, chat_encoding.Encoded], batch_tokens: int) -> Iterator[list[int]]:
    """Yields batches of row numbers, each with at most `batch_tokens` tokens including padding.

    Rows of a batch have similar lengths. A progress bar on stderr counts the rows.
    """
    from tqdm import tqdm

    groups: list[list[int]] = []
    for i in sorted(encoded, key=lambda i: (len(encoded[i].ids), i)):
        if not groups or (len(groups[-1]) + 1) * len(encoded[i].ids) > batch_tokens:
            groups.append([])
        groups[-1].append(i)
    with tqdm(total=len(encoded), unit="row", file=sys.stderr) as bar:
        for batch in groups:
            yield batch
            bar.update(len(batch))


def in_parts(measure: Callable[[Batch], list[T]], batch: Batch) -> list[T]:
    """Returns `measure(batch)`, one value per row; halves the batch if the GPU is out of memory.

    Raises RuntimeError if the memory is too small for one row.
    """
    import torch

    try:
        with torch.inference_mode():
            return measure(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise RuntimeError(
                f"out of memory: the GPU cannot score one row of {len(batch[0].ids)} tokens. "
                "Lower engine.max_model_len, or use a smaller target."
            ) from None
    torch.cuda.empty_cache()
    half = len(batch) // 2
    print(f"Out of GPU memory: retrying with batches of {half} rows.", file=sys.stderr)
    return in_parts(measure, batch[:half]) + in_parts(measure, batch[half:])


def response_logits(model: Any, batch: Batch) -> "torch.Tensor":
    """Returns the logits that predict the response tokens of a batch: (tokens, vocabulary).

    The tokens of all rows are concatenated. The output layer, most of the computation of a small
    model, is evaluated at these positions only.
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
    """Returns the concatenated response tokens of a batch."""
    return [token for e in batch for token in e.ids[e.start :]]


def likelihood(
    rows: Sequence[dict[str, Any]],
    encoded: dict[int, chat_encoding.Encoded],
    excluded: dict[int, str],
    nats: dict[int, tuple[float, float]],
) -> Likelihood:
    """Returns the Likelihood of `rows`; `nats` maps row numbers to nats (total, closing tokens)."""
    finite = [i for i in sorted(nats) if math.isfinite(nats[i][0])]
    reasons = excluded | {i: NOT_FINITE for i in nats if not math.isfinite(nats[i][0])}
    return Likelihood(
        ids=[rows[i]["id"] for i in finite],
        nats=[nats[i][0] for i in finite],
        closing=[nats[i][1] for i in finite],
        closing_tokens=[encoded[i].closing for i in finite],
        tokens=[len(encoded[i].ids) - encoded[i].start for i in finite],
        bytes=[encoded[i].response_bytes for i in finite],
        excluded={rows[i]["id"]: reasons[i] for i in sorted(reasons)},
    )


def _nats(model: Any, batch: Batch) -> list[tuple[float, float]]:
    import torch

    logits = response_logits(model, batch)
    targets = torch.tensor(response_tokens(batch), device=logits.device)
    sizes = [len(e.ids) - e.start for e in batch]
    sums = []
    for e, of_row, tokens in zip(batch, logits.split(sizes), targets.split(sizes), strict=True):
        values = torch.nn.functional.cross_entropy(of_row.float(), tokens, reduction="none")
        closing = values[len(values) - e.closing :]
        sums.append((float(values.double().sum()), float(closing.double().sum())))
    return sums
