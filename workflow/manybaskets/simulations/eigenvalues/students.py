"""Students: each learns from what an arm takes of a generator's labels."""

import numpy as np
from numpy.typing import NDArray

from manybaskets.seeds import derived_seed
from manybaskets.simulations.eigenvalues.arms import Arm, Flags, Pool, breakdown, select
from manybaskets.simulations.eigenvalues.encoding import Floats, Task, Tokens
from manybaskets.simulations.eigenvalues.learning import (
    Arrays,
    Found,
    Labels,
    Lessons,
    Report,
    Spec,
    accuracies,
    arrays,
    draw,
    learn,
    shared,
    tested,
)


def student(spec: Spec, labelled: Arrays, report: Report) -> tuple[Arrays, Found]:
    """A model trained on what its arm keeps: its weights, and how well it does.

    Where nothing is kept there are no weights and no accuracies, and a note says so.
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
    for name, where in parts.items():
        part, draws = pool.part(where), derived_seed(seed, spec["name"], name)
        asked = None
        if spec["other"]:
            other, rule = spec["other"]
            of_other = derived_seed(seed, other, name)
            asked = int(select(Arm.model_validate(rule), part, tolerance, of_other)[1].sum())
        chosen[name], kept[name] = select(arm, part, tolerance, draws, asked)
        sets[name] = _taken(part, questions[where], chosen[name], kept[name])
    held_out = pool.part(parts["validation"])
    what = breakdown(
        *(held_out, chosen["validation"], kept["validation"], tolerance),
        seed=derived_seed(seed, spec["name"], "interval"),
    )
    errors = pool.part(parts["train"]).errors[np.arange(count), chosen["train"]][kept["train"]]
    found = {
        "arm": spec["name"],
        "seed": seed,
        "rows": len(errors),
        "kept_share": float(kept["train"].mean()),
        "validation_rows": int(kept["validation"].sum()),
        "selection": vars(what),
    }
    if not all(flags.any() for flags in kept.values()):
        nothing = dict.fromkeys(map(str, problem.tolerances))
        note = f"{len(errors)} of {count} labels are kept: too few to learn from"
        return {}, found | {"accuracy": nothing, "undecodable": None, "curve": [], "note": note}
    model, curve = learn(
        problem,
        network,
        Lessons.model_validate(spec["student"]),
        *(sets["train"], sets["validation"]),
        seed=derived_seed(seed, "student"),
        report=report,
    )
    return arrays(model), {
        **found,
        "label_accuracy": accuracies(errors, problem),
        "curve": curve,
        **tested(model, problem, seed),
    }


def _pool(task: Task, labels: str, labelled: Arrays, truth: Floats) -> Pool:
    tokens = labelled[labels] if labels != "truth" else task.answer(truth)[:, None].astype(np.int16)
    errors = task.errors(tokens, truth[:, None])
    perplexities = labelled.get(f"{labels} perplexity")  # of candidates only
    return Pool(tokens, errors, np.zeros(errors.shape) if perplexities is None else perplexities)


def _taken(
    pool: Pool, questions: Tokens, chosen: NDArray[np.int64], kept: Flags
) -> tuple[Tokens, Tokens]:
    answers = pool.tokens[np.arange(len(chosen)), chosen]
    return questions[kept], answers[kept].astype(np.int64)
