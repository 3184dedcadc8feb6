"""Attacks: the text that is sent for a request, under each attack of a study.

An attack is a template under `resources/attacks/`, or a module of this folder that contains an
`attack.Attack` named ATTACK. Nothing here depends on models or refusals.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from manybaskets import plugins
from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness import attack_templates
from manybaskets.probes.robustness.attack import DIRECT, Attack, Attempt, Ladder
from manybaskets.probes.robustness.attack import attempt as one_attempt

if TYPE_CHECKING:
    from manybaskets.config.probes import Robustness

LOADS = ("probes.robustness.attacks",)
FOLDER = "probes.robustness.attacks"

__all__ = ["DIRECT", "Attempt", "Ladder", "attack", "count", "known", "ladder", "template_names"]


def known() -> list[str]:
    """Returns the names of the attacks that are modules."""
    return plugins.names(FOLDER)


def attack(name: str) -> Attack:
    """Returns the attack that is a module called `name`. Raises KeyError for an unknown name."""
    plugin: Attack = plugins.module(FOLDER, name).ATTACK
    return plugin


def template_names(names: Sequence[str]) -> list[str]:
    """Returns the attacks among `names` that are templates."""
    return [name for name in names if name not in known()]


def count(settings: "Robustness") -> int:
    """Returns the number of replies of a cell: to plain requests of both kinds, and to attacks."""
    coded = [attack(name).count(settings) for name in settings.attacks if name in known()]
    return settings.count * (2 + len(template_names(settings.attacks))) + sum(coded)


def ladder(requests: Sequence[ProbeRequest], steps: Ladder) -> list[Attempt]:
    """Returns every request plain, and those that must be declined also under every attack."""
    coded = {name: attack(name) for name in steps.names if name in known()}
    attempts = []
    for request in requests:
        attempts.append(one_attempt(request, DIRECT, request.text))
        for name in steps.names if request.declined else ():
            if name in coded:
                attempts += coded[name].attempts(request, steps)
            else:
                prompt = attack_templates.filled(steps.templates[name], name, request.text)
                attempts.append(one_attempt(request, name, prompt))
    return attempts
