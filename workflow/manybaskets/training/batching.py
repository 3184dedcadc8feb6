"""Which rows make up each step of a training, and how a step is divided over devices and in time.

A step has the same rows on one device and on several, at once and in parts: what a training gives
does not depend on how it was fitted into memory, but for rounding. Knows nothing about models.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manybaskets.seeds import derived_seed

GROUPS = 50  # steps among which rows are put beside others of their length
IGNORED = -100  # label of a token that carries no loss


@dataclass(frozen=True)
class Row:
    """Token ids of an exchange, and its labels: IGNORED where a token is not learned."""

    ids: list[int]
    labels: list[int]

    @property
    def silent(self) -> "Row":
        """The same ids without anything to learn: work for a device that has no row of a step."""
        return Row(self.ids, [IGNORED] * len(self.labels))


def steps(lengths: Sequence[int], rows_per_step: int, seed: int) -> list[list[int]]:
    """The rows of every step of an epoch: shuffled, and those of a step alike in length.

    Groups reach over up to 50 steps, and over a quarter of the rows at most; the step with the
    longest row comes first, so that memory that does not suffice is noticed at once. Every row is
    in one step; the last step may have fewer.
    """
    shuffled = np.random.default_rng(seed).permutation(len(lengths)).tolist()
    reach = rows_per_step * max(1, min(GROUPS, len(lengths) // (4 * rows_per_step)))
    ordered: list[int] = []
    for begin in range(0, len(shuffled), reach):
        ordered += sorted(shuffled[begin : begin + reach], key=lambda i: -lengths[i])
    longest = max(range(len(ordered)), key=lambda place: lengths[ordered[place]])
    ordered[0], ordered[longest] = ordered[longest], ordered[0]
    return [ordered[i : i + rows_per_step] for i in range(0, len(ordered), rows_per_step)]


def part_of(rows: Sequence[int], rank: int, ranks: int, parts: int) -> list[list[int]]:
    """A device's rows of a step, in `parts` that are alike in size; parts may be empty."""
    own = rows[rank::ranks]
    return [list(part) for part in np.array_split(np.array(own, dtype=int), parts)]


@dataclass
class StepBatches:
    """The batches of one device in every epoch, for a torch DataLoader.

    An empty part of a step holds the step's first row as a negative number, -1 - i: it takes part
    without being learned.
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
        """Says which epoch comes next."""
        self.epoch = epoch

    @property
    def batch_sampler(self) -> "StepBatches":
        """Itself: transformers looks for a sampler inside the sampler to tell it the epoch."""
        return self


def padded(rows: Sequence[Row], pad: int) -> dict[str, Any]:
    """Rows beside each other, shape (rows, longest), padded on the right."""
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
    """Rows end to end, shape (1, tokens), without padding.

    Positions start anew with every row: from them attention keeps the rows apart. A row's first
    token is predicted from nothing and carries no loss.
    """
    import torch

    ids = [i for row in rows for i in row.ids]
    labels = [label for row in rows for label in [IGNORED, *row.labels[1:]]]
    places = [place for row in rows for place in range(len(row.ids))]
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([places]),
        "labels": torch.tensor([labels]),
    }
