"""A study's conditions in words: the training set of each, its selection, its loop.

Every sentence follows from the config alone.
"""

from collections.abc import Sequence

from manybaskets.config.base import HUMAN, VANILLA
from manybaskets.config.mixes import Mix, Select
from manybaskets.config.study import StudyConfig
from manybaskets.selection import verifiers
from manybaskets.selection.operators import operator


def conditions(config: StudyConfig) -> dict[str, str]:
    """A sentence on each condition, in display order."""
    words = {VANILLA: "The target as it is, without fine-tuning."}
    return words | {name: f"Fine-tuned on {mix_words(mix)}." for name, mix in config.mixes.items()}


def mix_words(mix: Mix) -> str:
    """The composition of a training set."""
    if mix.loop is not None:
        first = mix.model_copy(update={"loop": None, "select": _select_of_first(mix)})
        return f"{mix_words(first)}, then {loop_words(mix)}"
    if mix.select is not None:
        whole = mix_words(mix.model_copy(update={"select": None}))
        return f"{whole}, of which {selection_words(mix.select)}"
    if len(mix.origins) == 1:
        (origin,) = mix.origins
        return "human text" if origin == HUMAN else f"text from {origin} alone"
    names = ["human text" if origin == HUMAN else origin for origin in mix.origins]
    shares = list(mix.origins.values())
    if max(shares) - min(shares) < 1e-9:
        parts = f"{listed(names)} in equal shares"
    else:
        parts = listed([f"{100 * s:.3g} % {n}" for n, s in zip(names, shares, strict=True)])
    if mix.assign == "quarters":
        return f"{parts}, each quarter of the prompts answered by another"
    return f"{parts}, the origin of each prompt drawn at random"


def _select_of_first(mix: Mix) -> Select | None:
    """The selection, where generation 1 has synthetic rows to select from."""
    return mix.select if set(mix.origins) != {HUMAN} else None


def loop_words(mix: Mix) -> str:
    """The training sets of the later generations of a loop."""
    assert mix.loop is not None
    loop = mix.loop
    writer = "the generation before"
    if loop.sources == "targets":
        writer = "the generation before of all targets, in equal shares"
    rows = f"responses of {writer}"
    if loop.temperature is not None:
        rows += f" at temperature {loop.temperature:g}"
    if loop.human and loop.regime != "fresh":
        rows += f", {100 * loop.human:.3g} % of it human rows"
    training_set = {
        "replace": f"{rows}, and nothing else",
        "accumulate": f"everything so far and {rows}",
        "accumulate-subsample": f"as many rows, drawn from everything so far and {rows}",
        "fresh": f"{rows}, with {100 * loop.human:.3g} % human rows that are new to it",
    }[loop.regime]
    text = f"for generations 2 to {loop.generations}, {training_set}"
    if mix.select:
        text += f"; of the new responses, {selection_words(mix.select)}"
    for generation, other in sorted(loop.overrides.items()):
        changed = other.model_dump(exclude_none=True)
        words = ", ".join(f"{key} {value}" for key, value in changed.items())
        text += f"; generation {generation}: {words}"
    return text


def selection_words(select: Select) -> str:
    """The responses that a selection keeps, and the verifier."""
    verifier = select.verifier
    by = verifiers.verifier(verifier.by).words(verifier)
    rule = f"as many were kept, at random, as pass in {select.match_keep_rate}"
    if select.rule:
        name, value = select.rule
        rule = operator(name).words(value, by)
        if not operator(name).one_a_prompt and select.responses > 1:
            rule += f" ({select.responses} responses to each prompt)"
    if verifier.noise:
        rule += (
            f"; what it accepts was accepted with probability {verifier.noise.keep_right:g}, what "
            f"it rejects with {verifier.noise.keep_wrong:g}"
        )
    short = {"fewer": "where fewer pass there are fewer rows", "repeat": "passing rows repeat"}
    return rule + (f"; {short[select.on_shortfall]}" if select.on_shortfall in short else "")


def listed(words: Sequence[str]) -> str:
    """A list in words: "one, two and three"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
