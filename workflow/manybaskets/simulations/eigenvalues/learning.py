"""What a generator and its students have in common: the problem, the network, how they learn.

A generator is trained on true eigenvalues and labels new matrices in several ways; what is done
with the labels is `eigenarms`'s.
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
Found = dict[str, Any]
CHUNK = 100_000  # matrices drawn at a time


class Problem(Section):
    """Which matrices, as which tokens, and when an answer is right."""

    size: int = Field(2, ge=1, le=SIZES)
    """Rows of a matrix."""
    bound: float = Field(10.0, gt=0)
    """Entries are uniform between minus and plus this."""
    encoding: Name = "P1000"
    """Encoding of numbers as tokens: `P10`, `P1000`, `B1999` or `FP15`."""
    tolerances: list[Tolerance] = Field([0.01, 0.02, 0.05], min_length=1)
    """An answer is right at a tolerance where sum |y' - y| / sum |y| is below it."""
    tolerance: Tolerance = 0.02
    """The one by which verifiers decide, and that figures show."""
    test: Count = 4000
    """Matrices on which the generator and the students of a seed are tested."""

    @property
    def task(self) -> Task:
        """The problem as tokens."""
        return Task(self.size, Encoding(self.encoding), self.bound)


class Network(Section):
    """Sizes of the transformer, the generator's and the students' alike."""

    dimension: Count = 64
    """Hidden size."""
    heads: Count = 4
    """Number of attention heads."""
    encoder_layers: Count = 2
    """Number of encoder layers."""
    decoder_layers: Count = 2
    """Number of decoder layers."""

    def shape(self, task: Task) -> Shape:
        """The transformer for a task."""
        return Shape(
            vocabulary=len(task.encoding.words),
            question=2 + task.size**2 * task.encoding.width,
            answer=task.answer_length,
            **self.model_dump(),
        )


class Lessons(Section):
    """Training: Adam, linear warm-up, cosine decay to a tenth; the best validated step is kept."""

    steps: Count
    """Optimizer steps."""
    batch_size: Count = 128
    """Examples per step."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate."""
    warmup_steps: int = Field(200, ge=0)
    """Steps of linear warm-up."""
    eval_steps: Count = 250
    """Steps between two evaluations on the validation set."""

    @property
    def schedule(self) -> Schedule:
        """The training's numbers, without what is learned from."""
        return Schedule(**{name: getattr(self, name) for name in Lessons.model_fields})


class Labels(Section):
    """The generator's labels of new matrices."""

    greedy: Count
    """Matrices with the generator's likeliest answer, token by token."""
    sampled: Count
    """Matrices with several answers: drawn, and by beam search."""
    candidates: int = Field(16, ge=2)
    """Answers to each of those, and width of the beam."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of the candidates."""
    validation: Count
    """Further matrices of both kinds: the selected ones stop the students early; all of them
    measure the effect of the selection on correct and wrong labels."""


def draw(task: Task, count: int, *purpose: str | int) -> tuple[Tokens, Floats]:
    """Questions and eigenvalues that belong to a purpose; questions as 16-bit integers."""
    parts = [
        task.draw(min(CHUNK, count - start), derived_seed(*purpose, start))
        for start in range(0, count, CHUNK)
    ]
    return (
        np.concatenate([questions.astype(np.int16) for questions, _ in parts]),
        np.concatenate([truth for _, truth in parts]),
    )


def learn(
    problem: Problem, network: Network, lessons: Lessons, rows: tuple[Tokens, Tokens],
    validation: tuple[Tokens, Tokens], seed: int, report: Report,
) -> tuple[Transformer, list[dict[str, Any]]]:  # fmt: skip
    """A trained transformer, and the curve of its training; InputError where it diverges."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return transformer.train(
            network.shape(problem.task),
            *(_rows(rows), _rows(validation), lessons.schedule, seed, device, report),
        )
    except FloatingPointError as error:
        raise InputError(str(error)) from None


def tested(model: Transformer, problem: Problem, seed: int) -> dict[str, Any]:
    """What a model's likeliest answers to the test matrices of a seed are worth."""
    task = problem.task
    questions, truth = draw(task, problem.test, seed, "test")
    errors = task.errors(greedy(model, questions), truth)
    return {
        "accuracy": accuracies(errors, problem),
        "undecodable": float(np.isinf(errors).mean()),
        "tested": len(errors),
    }


def accuracies(errors: Floats, problem: Problem) -> dict[str, float]:
    """The share of right answers at each tolerance."""
    return {str(tau): float((errors < tau).mean()) for tau in problem.tolerances}


def greedy(model: Transformer, questions: Tokens) -> Tokens:
    """The likeliest answer to each question, token by token: (questions, length)."""
    found = transformer.sample(model, tensor(questions), 1, 0.0, 0)
    return found.tokens[:, 0].numpy()  # type: ignore[no-any-return]


def tensor(array: NDArray[Any]) -> torch.Tensor:
    """An array as a tensor of its own."""
    return torch.from_numpy(np.ascontiguousarray(array))


def _rows(pair: tuple[Tokens, Tokens]) -> Rows:
    return Rows(tensor(pair[0]), tensor(pair[1]))


def shared(spec: Spec) -> tuple[Problem, Network, int]:
    """The parts of a job's description that all jobs have."""
    problem = Problem.model_validate(spec["problem"])
    return problem, Network.model_validate(spec["network"]), spec["seed"]


def arrays(model: Transformer) -> Arrays:
    """A model's weights by name."""
    return {name: value.cpu().numpy() for name, value in model.state_dict().items()}


def restored(problem: Problem, network: Network, weights: Arrays) -> Transformer:
    """The model that weights belong to, on the GPU if there is one."""
    model = Transformer(network.shape(problem.task))
    model.load_state_dict({name: tensor(value) for name, value in weights.items()})
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()  # type: ignore[no-any-return]
