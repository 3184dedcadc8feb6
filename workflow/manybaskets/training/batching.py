"""Batches of a training job: the rows of each step, divided over devices and micro-batches.

A step has the same rows on one device and on several, and with any number of micro-batches. The
result of a training job therefore depends on this division only by rounding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manybaskets.seeds import derived_seed

SORTED_STEPS = 50  # rows are sorted by length within groups of at most this many steps
IGNORED = -100  # label of a token without loss


@dataclass(frozen=True)
class Row:
    """Token ids of an exchange and their labels; IGNORED is the label of tokens without loss."""

    ids: list[int]
    labels: list[int]

    @property
    def without_loss(self) -> "Row":
        """Returns the row with all labels ignored, for a device without a row in a step."""
        return Row(self.ids, [IGNORED] * len(self.labels))


def steps(lengths: Sequence[int], rows_per_step: int, seed: int) -> list[list[int]]:
    """Returns the row indices of every step of an epoch, shuffled, with similar lengths in a step.

    Rows are sorted by length within groups of up to 50 steps or a quarter of the rows. The step
    with the longest row is first, so that a job that is out of memory fails at once. Every row is
    in exactly one step; the last step may have fewer rows.
    """
    shuffled = np.random.default_rng(seed).permutation(len(lengths)).tolist()
    group_size = rows_per_step * max(1, min(SORTED_STEPS, len(lengths) // (4 * rows_per_step)))
    ordered: list[int] = []
    for begin in range(0, len(shuffled), group_size):
        ordered += sorted(shuffled[begin : begin + group_size], key=lambda i: -lengths[i])
    longest = max(range(len(ordered)), key=lambda position: lengths[ordered[position]])
    ordered[0], ordered[longest] = ordered[longest], ordered[0]
    return [ordered[i : i + rows_per_step] for i in range(0, len(ordered), rows_per_step)]


def part_of(rows: Sequence[int], rank: int, ranks: int, parts: int) -> list[list[int]]:
    """Returns the rows of one device in a step, in `parts` of equal size; parts may be empty."""
    own_rows = rows[rank::ranks]
    return [list(part) for part in np.array_split(np.array(own_rows, dtype=int), parts)]


@dataclass
class StepBatches:
    """The batches of one device in every epoch, for a torch DataLoader.

    An empty part of a step contains the step's first row i as the negative number -1 - i: the
    device computes this row without loss.
    """

    lengths: Sequence[int]
    rows_per_step: int
    parts: int
    seed: int
    rank: int = 0
    ranks: int = 1
    epoch: int = field(default=0, init=False)

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.rows_per_step) * self.parts

    def __iter__(self) -> Iterator[list[int]]:
        seed = derived_seed(self.seed, "batches", str(self.epoch))
        for rows in steps(self.lengths, self.rows_per_step, seed):
            for part in part_of(rows, self.rank, self.ranks, self.parts):
                yield [int(i) for i in part] or [-1 - rows[0]]

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration."""
        self.epoch = epoch

    @property
    def batch_sampler(self) -> "StepBatches":
        """Returns itself, since transformers calls `batch_sampler.set_epoch`."""
        return self


def padded(rows: Sequence[Row], pad: int) -> dict[str, Any]:
    """Returns tensors of shape (rows, longest), padded on the right."""
    import torch

    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    labels = torch.full((len(rows), longest), IGNORED)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for i, row in enumerate(rows):
        n = len(row.ids)
        ids[i, :n], labels[i, :n], mask[i, :n] = torch.tensor(row.ids), torch.tensor(row.labels), 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def packed(rows: Sequence[Row]) -> dict[str, Any]:
    """Returns tensors of shape (1, tokens) with the concatenated rows, without padding.

    Positions restart at 0 in every row, and attention separates the rows by them. The first token
    of a row has no context and therefore no loss.
    """
    import torch

    ids = [i for row in rows for i in row.ids]
    labels = [label for row in rows for label in [IGNORED, *row.labels[1:]]]
    positions = [position for row in rows for position in range(len(row.ids))]
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "labels": torch.tensor([labels]),
    }
