"""Random controls: they separate the effect of a selection from that of fewer and other rows.

Every selected mix is compared with a mix of the same origins whose rows are selected at random at
the same keep rate. If a study has no such mix, one is added. A loop gets none where the keep rate
depends on the scores.
"""

from collections.abc import Mapping

from manybaskets.config.base import ConfigError
from manybaskets.config.mixes import Mix, Select, Verifier

SUFFIX = "-random"


def with_controls(mixes: Mapping[str, Mix], file: str) -> dict[str, Mix]:
    """The mixes; each selected mix without a control is followed by a new one.

    Raises ConfigError where the name of a control is used by another mix.
    """
    names, extended = list(mixes), dict(mixes)
    for name, mix in mixes.items():
        if not _needs_control(name, mix, extended):
            continue
        new = f"{name}{SUFFIX}"
        if new in mixes:
            raise ConfigError(
                f"{file}: mixes.{new}: the random control of '{name}' needs this name. Rename that "
                f"mix, or set mixes.{name}.select.control to false."
            )
        names.insert(names.index(name) + 1, new)
        extended[new] = _control(name, mix)
    return {name: extended[name] for name in names}


def _needs_control(name: str, mix: Mix, mixes: Mapping[str, Mix]) -> bool:
    select = mix.select
    if not select or not select.control or select.verifier.by == "random":
        return False
    if mix.loop and _keep_rate(select) is None:
        return False  # every chain has its own pool: the keep rate in one does not apply to another
    return control_of(name, mixes) is None


def control_of(name: str, mixes: Mapping[str, Mix]) -> str | None:
    """The mix that selects as many of the same responses at random; None where there is none.

    For `best_of`, this can also be a mix with a single response per prompt: one of n at random.
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
            rule.match_keep_rate == name or (_keep_rate(select) or ()) == _keep_rate(rule)
        ):
            return other
    return None


def _keep_rate(select: Select) -> tuple[object, ...] | None:
    """The settings that determine how many rows are kept; None where that depends on scores."""
    return (select.rule, select.samples) if select.share is not None else None


def _control(name: str, mix: Mix) -> Mix:
    """The same mix with random scores. Where the keep rate depends on the scores, it keeps as many
    rows as the selected mix."""
    select = mix.select
    assert select is not None
    verifier = Verifier(by="random", metric=select.verifier.metric)
    changed: dict[str, object] = {"verifier": verifier}
    if _keep_rate(select) is None:
        changed |= {"correct": False, "threshold": None, "match_keep_rate": name}
        changed |= {"operator": None, "value": None}
        changed["samples"] = select.responses
    return mix.model_copy(update={"select": select.model_copy(update=changed)})
