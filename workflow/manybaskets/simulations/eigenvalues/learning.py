"""Settings and functions shared by generators and students: problem, network and training.

A generator is trained on true eigenvalues and labels new matrices (`generators`); arms select from
its labels (`arms`), and students learn from them (`students`).
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from manybaskets.config.base import Count, Section
from manybaskets.files import InputError
from manybaskets.seeds import derived_seed
from manybaskets.simulations.eigenvalues import transformer
from manybaskets.simulations.eigenvalues.encoding import SIZES, Encoding, Floats, Name, Task, Tokens
from manybaskets.simulations.eigenvalues.transformer import Rows, Schedule, Shape, Transformer

Tolerance = Annotated[float, Field(gt=0, lt=1)]
Report = Callable[[dict[str, Any]], None]
Arrays = dict[str, NDArray[Any]]
Spec = Mapping[str, Any]
Summary = dict[str, Any]
CHUNK = 100_000  # matrices drawn at a time


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


def draw(task: Task, count: int, *purpose: str | int) -> tuple[Tokens, Floats]:
    """Returns questions, as 16-bit integers, and their eigenvalues, drawn with a purpose's seed."""
    parts = [
        task.draw(min(CHUNK, count - start), derived_seed(*purpose, start))
        for start in range(0, count, CHUNK)
    ]
    return (
        np.concatenate([questions.astype(np.int16) for questions, _ in parts]),
        np.concatenate([truth for _, truth in parts]),
    )


def learn(
    problem: Problem, network: Network, training: Training, rows: tuple[Tokens, Tokens],
    validation: tuple[Tokens, Tokens], seed: int, report: Report,
) -> tuple[Transformer, list[dict[str, Any]]]:  # fmt: skip
    """Returns a trained transformer and its training curve; raises InputError if it diverges."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return transformer.train(
            network.shape(problem.task),
            *(_rows(rows), _rows(validation), training.schedule, seed, device, report),
        )
    except FloatingPointError as error:
        raise InputError(str(error)) from None


def tested(model: Transformer, problem: Problem, seed: int) -> dict[str, Any]:
    """Returns the accuracy of a model's greedy answers to the test matrices of a seed."""
    task = problem.task
    questions, truth = draw(task, problem.test, seed, "test")
    errors = task.errors(greedy(model, questions), truth)
    return {
        "accuracy": accuracies(errors, problem),
        "undecodable": float(np.isinf(errors).mean()),
        "tested": len(errors),
    }


def accuracies(errors: Floats, problem: Problem) -> dict[str, float]:
    """Returns the share of correct answers at each tolerance."""
    return {str(tau): float((errors < tau).mean()) for tau in problem.tolerances}


def greedy(model: Transformer, questions: Tokens) -> Tokens:
    """Returns the answer to each question by greedy decoding, shape (questions, length)."""
    answers = transformer.sample(model, tensor(questions), 1, 0.0, 0)
    return answers.tokens[:, 0].numpy()  # type: ignore[no-any-return]


def tensor(array: NDArray[Any]) -> torch.Tensor:
    """Returns a contiguous array as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(array))


def _rows(pair: tuple[Tokens, Tokens]) -> Rows:
    return Rows(tensor(pair[0]), tensor(pair[1]))


def shared(spec: Spec) -> tuple[Problem, Network, int]:
    """Returns the problem, the network and the seed, which the specs of all jobs contain."""
    problem = Problem.model_validate(spec["problem"])
    return problem, Network.model_validate(spec["network"]), spec["seed"]


def arrays(model: Transformer) -> Arrays:
    """Returns a model's weights by name."""
    return {name: value.cpu().numpy() for name, value in model.state_dict().items()}


def restored(problem: Problem, network: Network, weights: Arrays) -> Transformer:
    """Returns a model with the given weights, on the GPU if there is one."""
    model = Transformer(network.shape(problem.task))
    model.load_state_dict({name: tensor(value) for name, value in weights.items()})
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()  # type: ignore[no-any-return]
