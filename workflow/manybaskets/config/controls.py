"""Random controls: what a selection does is told apart from there being fewer, other rows.

Every selected mix is held against a mix of the same origins whose rows were taken without
knowledge, at the same keep rate. Where the study has no such mix, one is added to it; but not to a
loop of which the rule does not say how many rows are kept.
"""

from collections.abc import Mapping

from manybaskets.config.base import ConfigError
from manybaskets.config.mixes import Mix, Select, Verifier

SUFFIX = "-random"


def with_controls(mixes: Mapping[str, Mix], file: str) -> dict[str, Mix]:
    """The mixes, and behind each selected one without a control the control that it lacks.

    Raises ConfigError where the control's name is taken.
    """
    found = dict(mixes)
    for name, mix in mixes.items():
        select = mix.select
        if not select or not select.control or select.verifier.by == "random":
            continue
        if control_of(name, found):
            continue
        if mix.loop and _keep_rate(select) is None:
            continue  # chains have pools of their own: what passed in one says nothing of another
        taken = f"{name}{SUFFIX}"
        if taken in mixes:
            raise ConfigError(
                f"{file}: mixes.{taken}: this is the name of the random control of '{name}', but "
                "another mix has it. Rename that mix, or set "
                f"mixes.{name}.select.control to false."
            )
        place = list(found).index(name) + 1
        entries = list(found.items())
        entries.insert(place, (taken, _control(name, mix)))
        found = dict(entries)
    return found


def control_of(name: str, mixes: Mapping[str, Mix]) -> str | None:
    """The mix that takes as many of the same responses at random; None where there is none.

    Of best-of that is also a mix that takes the only response to each prompt: one of n at random.
    """
    mix = mixes[name]
    select = mix.select
    if select is None or select.verifier.by == "random":
        return None
    for other, candidate in mixes.items():
        if other == name or candidate.model_copy(update={"select": select}) != mix:
            continue
        rule = candidate.select
        if rule is None:
            if select.operator_module and select.operator_module.one_a_prompt:
                return other
        elif rule.verifier.by == "random" and (
            rule.as_many_as == name or (_keep_rate(select) or ()) == _keep_rate(rule)
        ):
            return other
    return None


def _keep_rate(select: Select) -> tuple[object, ...] | None:
    """What decides how many rows are kept; None where that depends on the scores."""
    return (select.rule, select.samples) if select.share is not None else None


def _control(name: str, mix: Mix) -> Mix:
    """The same rule with a verifier that knows nothing; where the rule's keep rate depends on the
    scores, as many as passed there."""
    select = mix.select
    assert select is not None
    verifier = Verifier(by="random", metric=select.verifier.metric)
    changed: dict[str, object] = {"verifier": verifier}
    if _keep_rate(select) is None:
        changed |= {"correct": False, "threshold": None, "as_many_as": name}
        changed |= {"operator": None, "value": None}
        changed["samples"] = select.responses
    return mix.model_copy(update={"select": select.model_copy(update=changed)})
