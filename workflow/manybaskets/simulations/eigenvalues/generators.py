"""Generators: trained on few true eigenvalues, they label many new matrices."""

from typing import Any

import numpy as np

from manybaskets.seeds import derived_seed
from manybaskets.simulations.eigenvalues import transformer
from manybaskets.simulations.eigenvalues.encoding import Task, Tokens
from manybaskets.simulations.eigenvalues.learning import (
    Arrays,
    Found,
    Labels,
    Lessons,
    Problem,
    Report,
    Spec,
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
from manybaskets.simulations.eigenvalues.transformer import Transformer


def generator(spec: Spec, report: Report) -> tuple[Arrays, Found]:
    """A model trained on true eigenvalues: its weights, and how well it does."""
    problem, network, seed = shared(spec)
    settings = dict(spec["generator"])
    counts = settings.pop("examples"), settings.pop("validation")
    lessons = Lessons.model_validate(settings)
    rows, validation = (
        _truly_labelled(problem.task, count, seed, purpose)
        for count, purpose in zip(counts, ("examples", "examples to stop by"), strict=True)
    )
    model, curve = learn(
        *(problem, network, lessons, rows, validation, derived_seed(seed, "generator"), report)
    )
    return arrays(model), {"seed": seed, "curve": curve, **tested(model, problem, seed)}


def labels(spec: Spec, weights: Arrays) -> tuple[Arrays, Found]:
    """What a generator says of new matrices, and how right it is by each way to ask it.

    Arrays: `greedy` (rows, 1, length); `samples` and `beams` (rows, candidates, length), both with
    `... perplexity`, log-perplexities of shape (rows, candidates).
    """
    problem, network, seed = shared(spec)
    settings, task = Labels.model_validate(spec["labels"]), problem.task
    model = restored(problem, network, weights)
    questions, _ = draw(task, settings.greedy + settings.validation, seed, "one label")
    found: Arrays = {"greedy": greedy(model, questions)[:, None].astype(np.int16)}
    questions, _ = draw(task, settings.sampled + settings.validation, seed, "candidates")
    found |= _candidates(model, questions, settings, derived_seed(seed, "samples"))
    return found, {"seed": seed, "decoding": _decoding(model, problem, settings, seed)}


def _decoding(
    model: Transformer, problem: Problem, settings: Labels, seed: int
) -> list[dict[str, Any]]:
    """Accuracy on the test matrices by how an answer is got out of a generator."""
    task = problem.task
    questions, truth = draw(task, problem.test, seed, "test")
    asked = _candidates(model, questions, settings, derived_seed(seed, "test samples"))
    found = [("greedy", 1, task.errors(greedy(model, questions), truth))]
    samples = task.errors(asked["samples"], truth[:, None])
    beams = task.errors(asked["beams"], truth[:, None])
    found.append(("sample", 1, samples[:, 0]))
    numbers = [n for n in (2, 4, 8, 16, 32) if n < settings.candidates] + [settings.candidates]
    found += [("best of samples", n, samples[:, :n].min(axis=1)) for n in numbers]
    found += [("best of beams", n, beams[:, :n].min(axis=1)) for n in numbers]
    for name, errors in (("samples", samples), ("beams", beams)):
        chosen = asked[f"{name} perplexity"].argmin(axis=1)
        likeliest = np.take_along_axis(errors, chosen[:, None], axis=1)[:, 0]
        found.append((f"least perplexing of {name}", settings.candidates, likeliest))
    return [
        {"decoding": name, "candidates": n, "accuracy": accuracies(errors, problem)}
        for name, n, errors in found
    ]


def _candidates(
    model: Transformer, questions: Tokens, settings: Labels, seed: int
) -> dict[str, Any]:
    found = {}
    asked = tensor(questions)
    for name, answers in (
        ("samples", transformer.sample(
            model, asked, settings.candidates, settings.temperature, seed)),
        ("beams", transformer.beam(model, asked, settings.candidates)),
    ):  # fmt: skip
        found[name] = answers.tokens.numpy().astype(np.int16)
        found[f"{name} perplexity"] = answers.log_perplexity.float().numpy()
    return found


def _truly_labelled(task: Task, count: int, seed: int, purpose: str) -> tuple[Tokens, Tokens]:
    questions, truth = draw(task, count, seed, purpose)
    return questions, task.answer(truth)
