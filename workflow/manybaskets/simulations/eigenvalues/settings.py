"""Settings of an eigenvalue study: the problem, the network, training and labels.

Planning imports this module, so it does not import torch.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from manybaskets.config.base import Count, Section
from manybaskets.simulations.eigenvalues.encoding import SIZES, Encoding, Name, Task

Tolerance = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class Shape:
    """Sizes of a transformer; `question` and `answer` are maximal lengths in tokens."""

    vocabulary: int
    question: int
    answer: int
    dimension: int = 64
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2


@dataclass(frozen=True)
class Schedule:
    """Adam with linear warm-up, then cosine decay to a tenth of the learning rate."""

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    eval_steps: int
    """Steps between evaluations on the validation set."""


class Problem(Section):
    """The matrices, their encoding, and the tolerance of correct answers."""

    size: int = Field(2, ge=1, le=SIZES)
    """Number of rows of a matrix."""
    bound: float = Field(10.0, gt=0)
    """Entries are uniform between -`bound` and `bound`."""
    encoding: Name = "P1000"
    """Encoding of numbers as tokens: `P10`, `P1000`, `B1999` or `FP15`."""
    tolerances: list[Tolerance] = Field([0.01, 0.02, 0.05], min_length=1)
    """An answer is correct at a tolerance if sum |y' - y| / sum |y| is below it."""
    tolerance: Tolerance = 0.02
    """The tolerance of verifiers and figures; one of `tolerances`."""
    test: Count = 4000
    """Number of test matrices for the generator and the students of a seed."""

    @property
    def task(self) -> Task:
        """The problem with its encoding."""
        return Task(self.size, Encoding(self.encoding), self.bound)


class Network(Section):
    """Sizes of the transformer, which the generator and the students share."""

    dimension: Count = 64
    """Hidden size."""
    heads: Count = 4
    """Number of attention heads."""
    encoder_layers: Count = 2
    """Number of encoder layers."""
    decoder_layers: Count = 2
    """Number of decoder layers."""

    def shape(self, task: Task) -> Shape:
        """Returns the sizes of the transformer for a task."""
        return Shape(
            vocabulary=len(task.encoding.words),
            question=2 + task.size**2 * task.encoding.width,
            answer=task.answer_length,
            **self.model_dump(),
        )


class Training(Section):
    """Training by Adam with linear warm-up and cosine decay to a tenth of the learning rate.

    The weights with the lowest validation loss are kept.
    """

    steps: Count
    """Optimizer steps."""
    batch_size: Count = 128
    """Examples per step."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate."""
    warmup_steps: int = Field(200, ge=0)
    """Steps of linear warm-up."""
    eval_steps: Count = 250
    """Steps between evaluations on the validation set."""

    @property
    def schedule(self) -> Schedule:
        """The training schedule."""
        return Schedule(**{name: getattr(self, name) for name in Training.model_fields})


class Labels(Section):
    """The generator's labels of new matrices."""

    greedy: Count
    """Number of matrices with one answer, by greedy decoding."""
    sampled: Count
    """Number of matrices with several answers, by sampling and by beam search."""
    candidates: int = Field(16, ge=2)
    """Number of answers to each of these matrices, and width of the beam."""
    temperature: float = Field(1.0, gt=0)
    """Temperature of sampling."""
    validation: Count
    """Number of further matrices for both: their selected labels are the students' validation set,
    and all their labels measure the effect of the selection on correct and wrong labels."""
