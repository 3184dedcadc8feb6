"""Generators: trained on a few matrices with true eigenvalues, they label many new matrices."""

from typing import Any

import numpy as np

from manybaskets.seeds import derived_seed
from manybaskets.simulations.eigenvalues import transformer
from manybaskets.simulations.eigenvalues.encoding import Task, Tokens
from manybaskets.simulations.eigenvalues.learning import (
    Arrays,
    Report,
    Spec,
    Summary,
    accuracies,
    arrays,
    draw,
    greedy,
    learn,
    restored,
    shared,
    tensor,
    tested,
)
from manybaskets.simulations.eigenvalues.settings import Labels, Problem, Training
from manybaskets.simulations.eigenvalues.transformer import Transformer


def generator(spec: Spec, report: Report) -> tuple[Arrays, Summary]:
    """Returns the weights of a model trained on true eigenvalues, and its accuracy and curve."""
    problem, network, seed = shared(spec)
    settings = dict(spec["generator"])
    counts = settings.pop("examples"), settings.pop("validation")
    training = Training.model_validate(settings)
    rows, validation = (
        _truly_labelled(problem.task, count, seed, purpose)
        for count, purpose in zip(counts, ("examples", "examples to stop by"), strict=True)
    )
    model, curve = learn(
        *(problem, network, training, rows, validation, derived_seed(seed, "generator"), report)
    )
    return arrays(model), {"seed": seed, "curve": curve, **tested(model, problem, seed)}


def labels(spec: Spec, weights: Arrays) -> tuple[Arrays, Summary]:
    """Returns a generator's labels of new matrices, and its accuracy by method of decoding.

    The arrays are `greedy`, shape (rows, 1, length), and `samples` and `beams`, shape (rows,
    candidates, length), with their log-perplexities in `... perplexity`, shape (rows, candidates).
    """
    problem, network, seed = shared(spec)
    settings, task = Labels.model_validate(spec["labels"]), problem.task
    model = restored(problem, network, weights)
    questions, _ = draw(task, settings.greedy + settings.validation, seed, "one label")
    labelled: Arrays = {"greedy": greedy(model, questions)[:, None].astype(np.int16)}
    questions, _ = draw(task, settings.sampled + settings.validation, seed, "candidates")
    labelled |= _candidates(model, questions, settings, derived_seed(seed, "samples"))
    return labelled, {"seed": seed, "decoding": _decoding(model, problem, settings, seed)}


def _decoding(
    model: Transformer, problem: Problem, settings: Labels, seed: int
) -> list[dict[str, Any]]:
    """Returns a generator's accuracy on the test matrices by method of decoding."""
    task = problem.task
    questions, truth = draw(task, problem.test, seed, "test")
    answers = _candidates(model, questions, settings, derived_seed(seed, "test samples"))
    methods = [("greedy", 1, task.errors(greedy(model, questions), truth))]
    samples = task.errors(answers["samples"], truth[:, None])
    beams = task.errors(answers["beams"], truth[:, None])
    methods.append(("sample", 1, samples[:, 0]))
    numbers = [n for n in (2, 4, 8, 16, 32) if n < settings.candidates] + [settings.candidates]
    methods += [("best of samples", n, samples[:, :n].min(axis=1)) for n in numbers]
    methods += [("best of beams", n, beams[:, :n].min(axis=1)) for n in numbers]
    for name, errors in (("samples", samples), ("beams", beams)):
        chosen = answers[f"{name} perplexity"].argmin(axis=1)
        likeliest = np.take_along_axis(errors, chosen[:, None], axis=1)[:, 0]
        methods.append((f"least perplexing of {name}", settings.candidates, likeliest))
    return [
        {"decoding": name, "candidates": n, "accuracy": accuracies(errors, problem)}
        for name, n, errors in methods
    ]


def _candidates(
    model: Transformer, questions: Tokens, settings: Labels, seed: int
) -> dict[str, Any]:
    arrays = {}
    inputs = tensor(questions)
    for name, answers in (
        ("samples", transformer.sample(
            model, inputs, settings.candidates, settings.temperature, seed)),
        ("beams", transformer.beam(model, inputs, settings.candidates)),
    ):  # fmt: skip
        arrays[name] = answers.tokens.numpy().astype(np.int16)
        arrays[f"{name} perplexity"] = answers.log_perplexity.float().numpy()
    return arrays


def _truly_labelled(task: Task, count: int, seed: int, purpose: str) -> tuple[Tokens, Tokens]:
    questions, truth = draw(task, count, seed, purpose)
    return questions, task.answer(truth)
