"""Token table: every token of the human responses under a model and its target, as Parquet.

The table has one row per response token, computed from float32 log-softmax: the probability of the
token under the model and under the target it was fine-tuned from, and the differences of the two
distributions over the vocabulary at its position. It is written in row groups, so that memory does
not grow with the number of responses.
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
    "position": ("int32", "position of the token in the response, from 0"),
    "token": ("int32", "token id; the last one of a response is its closing token"),
    "train_count": ("int32", "occurrences of the token in the human training responses"),
    "log_prob": ("float32", "log-probability of the token under the model, in nats"),
    "target_log_prob": ("float32", "log-probability of the token under the target, in nats"),
    "rank": ("int32", "1 + number of tokens that are likelier under the model"),
    "entropy": ("float32", "entropy of the model's next-token distribution, in nats"),
    "tail_mass": ("float32", "the model's probability of all tokens outside the target's top k"),
    "nucleus": ("int32", "tokens in the smallest set with a given share of the probability"),
    "kl_from_target": ("float32", "KL(target ‖ model) of the next-token distributions, in nats"),
    "kl_to_target": ("float32", "KL(model ‖ target) of the next-token distributions, in nats"),
}
# Elements of logits per operation: the size of a CPU's cache; a small part of a GPU's memory.
CHUNK = {"cpu": 2**18, "cuda": 2**26}
ROW_GROUP = 100_000  # tokens in memory before they are written
# `nucleus` is counted on a grid of probabilities, in steps of 1/64 nat below the likeliest token.
GRID_STEPS, GRID_NATS = 1024, 16.0

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Views:
    """Settings of two columns: the target's `top_k` for tail_mass, and the share of `nucleus`."""

    top_k: int = 50
    nucleus: float = 0.9


def token_counts(
    tokenizer: "PreTrainedTokenizerBase", rows: Sequence[dict[str, str]], vocabulary: int
) -> NDArray[np.int32]:
    """Returns the occurrences of each token id in the responses, shape (vocabulary,).

    The responses include their closing tokens.
    """
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

    In the context of `target()`, `model` computes the target's logits; `target` is None if the
    model is the target. `counts`, shape (vocabulary,), are the values of train_count. The table
    excludes rows with values that are not finite and those that `scoring.encode` excludes.
    """
    encoded, excluded = scoring.encode(tokenizer, rows, context)
    nats: dict[int, tuple[float, float]] = {}
    measure = functools.partial(_view, model, target or nullcontext, target is None, views)
    with _writer(path) as write:
        for batch in scoring.batches(encoded, batch_tokens):
            columns_of_rows = scoring.in_parts(measure, [encoded[i] for i in batch])
            for i, columns in zip(batch, columns_of_rows, strict=True):
                log_prob = columns["log_prob"]
                nats[i] = -float(log_prob.sum(dtype=np.float64)), -float(log_prob[-1])
                if all(np.isfinite(values).all() for values in columns.values()):
                    columns["row"] = np.full(len(columns["token"]), i, dtype=np.int32)
                    columns["train_count"] = counts[columns["token"]]
                    write(columns)
    return scoring.likelihood(rows, encoded, excluded, nats)


@contextmanager
def _writer(path: Path) -> Iterator[Callable[[Columns], None]]:
    """Yields a function that appends rows to a Parquet file, in row groups of bounded size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            pa.field(name, getattr(pa, kind)(), metadata={"description": meaning})
            for name, (kind, meaning) in COLUMNS.items()
        ]
    )
    pending: list[Columns] = []

    def flush() -> None:
        columns = {
            name: np.concatenate([part[name] for part in pending]).astype(kind)
            for name, (kind, _) in COLUMNS.items()
        }
        file.write_table(pa.table(columns, schema=schema))
        pending.clear()

    def write(columns: Columns) -> None:
        pending.append(columns)
        if sum(len(part["token"]) for part in pending) >= ROW_GROUP:
            flush()

    with whole_file(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as file:
        yield write
        if pending:
            flush()


def _view(
    model: Any,
    target: Callable[[], AbstractContextManager[Any]],
    is_target: bool,
    views: Views,
    batch: scoring.Batch,
) -> list[Columns]:
    """Returns the columns of each row of a batch."""
    import torch

    logits = scoring.response_logits(model, batch)
    with target():
        target_logits = logits if is_target else scoring.response_logits(model, batch)
    tokens = scoring.response_tokens(batch)
    ids = torch.tensor(tokens, device=logits.device)
    step = max(1, CHUNK.get(logits.device.type, CHUNK["cuda"]) // logits.shape[1])
    parts = [
        _compare(of_model, of_target, token, views)
        for of_model, of_target, token in zip(
            logits.split(step), target_logits.split(step), ids.split(step), strict=True
        )
    ]
    columns = {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}
    columns["token"] = np.array(tokens, dtype=np.int32)
    sizes = [len(e.ids) - e.start for e in batch]
    ends = np.cumsum(sizes)[:-1]
    split = {name: np.split(values, ends) for name, values in columns.items()}
    return [
        {name: values[i] for name, values in split.items()}
        | {"position": np.arange(size, dtype=np.int32)}
        for i, size in enumerate(sizes)
    ]


def _compare(
    logits: "torch.Tensor", target_logits: "torch.Tensor", tokens: "torch.Tensor", views: Views
) -> "dict[str, torch.Tensor]":
    """Returns the columns at some positions, each (positions,).

    Both models' logits have the shape (positions, vocabulary).
    """
    import torch

    log_p = torch.log_softmax(logits.float(), -1)
    p = log_p.exp()
    same = target_logits is logits
    log_q = log_p if same else torch.log_softmax(target_logits.float(), -1)
    q = p if same else log_q.exp()
    index = tokens[:, None]
    log_prob = log_p.gather(1, index)
    difference = log_p - log_q
    likeliest = log_q.topk(min(views.top_k, log_q.shape[1])).indices
    return {
        "log_prob": log_prob[:, 0],
        "target_log_prob": log_q.gather(1, index)[:, 0],
        "rank": (log_p > log_prob).sum(-1, dtype=torch.int32) + 1,
        "entropy": -_dot(p, log_p),
        "tail_mass": (1 - p.gather(1, likeliest).sum(-1)).clamp(0, 1),
        "nucleus": nucleus_size(log_p, p, views.nucleus),
        "kl_from_target": -_dot(q, difference),
        "kl_to_target": _dot(p, difference),
    }


def nucleus_size(log_p: "torch.Tensor", p: "torch.Tensor", share: float) -> "torch.Tensor":
    """Returns the size of the smallest set of tokens with `share` of the probability, (positions,).

    `log_p` and `p` have the shape (positions, vocabulary). The size is counted by a histogram,
    since a sort would take longer than the model: tokens within 1/64 nat of each other count as
    equally likely, so that the size is exact to one per cent or one token.
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
