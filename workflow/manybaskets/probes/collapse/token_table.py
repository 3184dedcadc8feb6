"""A model's view of every token of human responses, beside the target's: a Parquet table.

One row per response token, from float32 log-softmax: how likely the token is under the model and
under the target it was tuned from, and how the two distributions over the vocabulary differ
there. The table is written as it grows, so memory does not grow with the number of responses.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from manybaskets.files import whole_file
from manybaskets.models import scoring

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

# name: (type, meaning); logarithms are natural
COLUMNS = {
    "row": ("int32", "number of the response among the human test responses, from 0"),
    "position": ("int32", "of the token in the response, from 0"),
    "token": ("int32", "token id; the last one of a response closes it"),
    "train_count": ("int32", "how often the token occurs in the human training responses"),
    "log_prob": ("float32", "log-probability of the token under the model, in nats"),
    "target_log_prob": ("float32", "log-probability of the token under the target, in nats"),
    "rank": ("int32", "1 + number of tokens the model finds likelier"),
    "entropy": ("float32", "entropy of the model's next-token distribution, in nats"),
    "tail_mass": ("float32", "probability the model gives outside the target's top k"),
    "nucleus": ("int32", "tokens in the smallest set with a given share of the probability"),
    "kl_from_target": ("float32", "KL(target ‖ model) of the next-token distributions, in nats"),
    "kl_to_target": ("float32", "KL(model ‖ target) of the next-token distributions, in nats"),
}
# Elements of logits that are worked on at once: what a CPU's cache holds; little for a GPU.
CHUNK = {"cpu": 2**18, "cuda": 2**26}
ROW_GROUP = 100_000  # tokens held before they are written
# `nucleus` is counted on a grid of probabilities: steps of 1/64 nat below the likeliest token.
GRID_STEPS, GRID_NATS = 1024, 16.0

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Views:
    """Of what the table tells: `top_k` of the target for tail_mass, `nucleus` as a share."""

    top_k: int = 50
    nucleus: float = 0.9


def token_counts(
    tokenizer: "PreTrainedTokenizerBase", rows: Sequence[dict[str, str]], vocabulary: int
) -> NDArray[np.int32]:
    """How often each token id occurs in the responses of rows, closed, shape (vocabulary,)."""
    counts = np.zeros(vocabulary, dtype=np.int32)
    encoded, _ = scoring.encode(tokenizer, rows, sys.maxsize)
    for row in encoded.values():
        np.add.at(counts, row.ids[row.start :], 1)
    return counts


def write_table(
    path: Path,
    model: Any,
    target: Callable[[], AbstractContextManager[Any]] | None,
    tokenizer: "PreTrainedTokenizerBase",
    rows: Sequence[dict[str, str]],
    context: int,
    counts: NDArray[np.int32],
    views: Views,
    batch_tokens: int = 4096,
) -> scoring.Likelihood:
    """Writes the table of `rows` (id, prompt, response) and returns their likelihood.

    Inside `target()` the model is its target; None where the model is the target itself. Rows are
    left out of the table where `perplexity.score` leaves them out.
    """
    encoded, excluded = scoring.encode(tokenizer, rows, context)
    nats: dict[int, tuple[float, float]] = {}
    measure = functools.partial(_view, model, target or nullcontext, target is None, views)
    with _writer(path) as write:
        for batch in scoring.batches(encoded, batch_tokens):
            found = scoring.in_parts(measure, [encoded[i] for i in batch])
            for i, columns in zip(batch, found, strict=True):
                log_prob = columns["log_prob"]
                nats[i] = -float(log_prob.sum(dtype=np.float64)), -float(log_prob[-1])
                if all(np.isfinite(values).all() for values in columns.values()):
                    columns["row"] = np.full(len(columns["token"]), i, dtype=np.int32)
                    columns["train_count"] = counts[columns["token"]]
                    write(columns)
    return scoring.likelihood(rows, encoded, excluded, nats)


@contextmanager
def _writer(path: Path) -> Iterator[Callable[[Columns], None]]:
    """A function that appends rows to a Parquet file, in row groups of bounded size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            pa.field(name, getattr(pa, kind)(), metadata={"description": meaning})
            for name, (kind, meaning) in COLUMNS.items()
        ]
    )
    held: list[Columns] = []

    def flush() -> None:
        columns = {
            name: np.concatenate([part[name] for part in held]).astype(kind)
            for name, (kind, _) in COLUMNS.items()
        }
        file.write_table(pa.table(columns, schema=schema))
        held.clear()

    def write(columns: Columns) -> None:
        held.append(columns)
        if sum(len(part["token"]) for part in held) >= ROW_GROUP:
            flush()

    with whole_file(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as file:
        yield write
        if held:
            flush()


def _view(
    model: Any,
    target: Callable[[], AbstractContextManager[Any]],
    is_target: bool,
    views: Views,
    batch: scoring.Batch,
) -> list[Columns]:
    """The columns of each row of a batch."""
    import torch

    logits = scoring.response_logits(model, batch)
    with target():
        anchors = logits if is_target else scoring.response_logits(model, batch)
    tokens = scoring.response_tokens(batch)
    ids = torch.tensor(tokens, device=logits.device)
    step = max(1, CHUNK.get(logits.device.type, CHUNK["cuda"]) // logits.shape[1])
    parts = [
        _compare(mine, of_target, token, views)
        for mine, of_target, token in zip(
            logits.split(step), anchors.split(step), ids.split(step), strict=True
        )
    ]
    found = {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}
    found["token"] = np.array(tokens, dtype=np.int32)
    sizes = [len(e.ids) - e.start for e in batch]
    ends = np.cumsum(sizes)[:-1]
    split = {name: np.split(values, ends) for name, values in found.items()}
    return [
        {name: values[i] for name, values in split.items()}
        | {"position": np.arange(size, dtype=np.int32)}
        for i, size in enumerate(sizes)
    ]


def _compare(
    logits: "torch.Tensor", anchors: "torch.Tensor", tokens: "torch.Tensor", views: Views
) -> "dict[str, torch.Tensor]":
    """The columns of some positions, from both models' logits of shape (positions, vocabulary)."""
    import torch

    log_p = torch.log_softmax(logits.float(), -1)
    p = log_p.exp()
    same = anchors is logits
    log_q = log_p if same else torch.log_softmax(anchors.float(), -1)
    q = p if same else log_q.exp()
    at = tokens[:, None]
    log_prob = log_p.gather(1, at)
    difference = log_p - log_q
    likeliest = log_q.topk(min(views.top_k, log_q.shape[1])).indices
    return {
        "log_prob": log_prob[:, 0],
        "target_log_prob": log_q.gather(1, at)[:, 0],
        "rank": (log_p > log_prob).sum(-1, dtype=torch.int32) + 1,
        "entropy": -_dot(p, log_p),
        "tail_mass": (1 - p.gather(1, likeliest).sum(-1)).clamp(0, 1),
        "nucleus": nucleus_size(log_p, p, views.nucleus),
        "kl_from_target": -_dot(q, difference),
        "kl_to_target": _dot(p, difference),
    }


def nucleus_size(log_p: "torch.Tensor", p: "torch.Tensor", share: float) -> "torch.Tensor":
    """Tokens in the smallest set that has `share` of the probability, shape (positions,).

    Counted by a histogram instead of a sort, which would cost more than the model: tokens within
    1/64 nat of each other count as equally likely, so the size is exact to one per cent, or to
    one token.
    """
    import torch

    scale = GRID_STEPS / GRID_NATS
    below = (log_p.amax(-1, keepdim=True) - log_p) * scale
    steps = below.nan_to_num(nan=0.0).clamp_(0, GRID_STEPS - 1).long()
    empty = log_p.new_zeros(len(log_p), GRID_STEPS)
    mass = empty.scatter_add(1, steps, p).cumsum(-1)
    count = empty.scatter_add(1, steps, torch.ones_like(p)).cumsum(-1)
    last = (mass < share).sum(-1, keepdim=True).clamp(max=GRID_STEPS - 1)
    before = (last - 1).clamp(min=0)
    has_before = last > 0
    mass_before = torch.where(has_before, mass.gather(1, before), 0.0)
    count_before = torch.where(has_before, count.gather(1, before), 0.0)
    in_step = count.gather(1, last) - count_before
    each = (mass.gather(1, last) - mass_before) / in_step
    more = torch.ceil((share - mass_before) / each - 1e-4)
    return (count_before + torch.minimum(more, in_step).clamp(min=0))[:, 0].to(torch.int32)


def _dot(a: "torch.Tensor", b: "torch.Tensor") -> "torch.Tensor":
    return (a * b).sum(-1)
