"""Settings and functions shared by generators and students: problem, network and training.

A generator is trained on true eigenvalues and labels new matrices (`generators`); arms select from
its labels (`arms`), and students learn from them (`students`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from manybaskets.files import InputError
from manybaskets.seeds import derived_seed
from manybaskets.simulations.eigenvalues import transformer
from manybaskets.simulations.eigenvalues.encoding import Floats, Task, Tokens
from manybaskets.simulations.eigenvalues.settings import Network, Problem, Training
from manybaskets.simulations.eigenvalues.transformer import Rows, Transformer

Report = Callable[[dict[str, Any]], None]
Arrays = dict[str, NDArray[Any]]
Spec = Mapping[str, Any]
Summary = dict[str, Any]
CHUNK = 100_000  # matrices drawn at a time


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
