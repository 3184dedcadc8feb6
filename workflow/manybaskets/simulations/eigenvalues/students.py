"""Students: each learns from the labels of a generator that an arm selects."""

import numpy as np
from numpy.typing import NDArray

from manybaskets.seeds import derived_seed
from manybaskets.simulations.eigenvalues.arms import Arm, Flags, Pool, breakdown, select
from manybaskets.simulations.eigenvalues.encoding import Floats, Task, Tokens
from manybaskets.simulations.eigenvalues.learning import (
    Arrays,
    Report,
    Spec,
    Summary,
    accuracies,
    arrays,
    draw,
    learn,
    shared,
    tested,
)
from manybaskets.simulations.eigenvalues.settings import Labels, Training


def student(spec: Spec, labelled: Arrays, report: Report) -> tuple[Arrays, Summary]:
    """Returns the weights of a model trained on its arm's labels, and its accuracy and curve.

    If the arm keeps no label, there are no weights, the accuracies are None, and a note gives the
    reason. `labelled` are the arrays of `generators.labels`.
    """
    problem, network, seed = shared(spec)
    settings, arm = Labels.model_validate(spec["labels"]), Arm.model_validate(spec["arm"])
    task, tolerance = problem.task, problem.tolerance
    one_label = arm.labels in ("greedy", "truth")
    count = settings.greedy if one_label else settings.sampled
    purpose = "one label" if one_label else "candidates"
    questions, truth = draw(task, count + settings.validation, seed, purpose)
    pool = _pool(task, arm.labels, labelled, truth)
    parts = {"train": slice(count), "validation": slice(count, None)}
    sets, chosen, kept = {}, {}, {}
    for name, rows in parts.items():
        part, arm_seed = pool.part(rows), derived_seed(seed, spec["name"], name)
        number = None
        if spec["other"]:
            other, rule = spec["other"]
            other_seed = derived_seed(seed, other, name)
            number = int(select(Arm.model_validate(rule), part, tolerance, other_seed)[1].sum())
        chosen[name], kept[name] = select(arm, part, tolerance, arm_seed, number)
        sets[name] = _selected(part, questions[rows], chosen[name], kept[name])
    held_out = pool.part(parts["validation"])
    selection = breakdown(
        *(held_out, chosen["validation"], kept["validation"], tolerance),
        seed=derived_seed(seed, spec["name"], "interval"),
    )
    errors = pool.part(parts["train"]).errors[np.arange(count), chosen["train"]][kept["train"]]
    summary = {
        "arm": spec["name"],
        "seed": seed,
        "rows": len(errors),
        "kept_share": float(kept["train"].mean()),
        "validation_rows": int(kept["validation"].sum()),
        "selection": vars(selection),
    }
    if not all(flags.any() for flags in kept.values()):
        undefined = dict.fromkeys(map(str, problem.tolerances))
        note = f"{len(errors)} of {count} labels are kept: too few to learn from"
        return {}, summary | {
            "accuracy": undefined,
            "undecodable": None,
            "curve": [],
            "note": note,
        }
    model, curve = learn(
        problem,
        network,
        Training.model_validate(spec["student"]),
        *(sets["train"], sets["validation"]),
        seed=derived_seed(seed, "student"),
        report=report,
    )
    return arrays(model), {
        **summary,
        "label_accuracy": accuracies(errors, problem),
        "curve": curve,
        **tested(model, problem, seed),
    }


def _pool(task: Task, labels: str, labelled: Arrays, truth: Floats) -> Pool:
    tokens = labelled[labels] if labels != "truth" else task.answer(truth)[:, None].astype(np.int16)
    errors = task.errors(tokens, truth[:, None])
    perplexities = labelled.get(f"{labels} perplexity")  # only if there are several candidates
    return Pool(tokens, errors, np.zeros(errors.shape) if perplexities is None else perplexities)


def _selected(
    pool: Pool, questions: Tokens, chosen: NDArray[np.int64], kept: Flags
) -> tuple[Tokens, Tokens]:
    answers = pool.tokens[np.arange(len(chosen)), chosen]
    return questions[kept], answers[kept].astype(np.int64)
