"""The ladder of attacks that every cell climbs: what is sent for a request, under each attack.

One module per family, each with one function `attempts(request, …)`. A template is a file under
`resources/attacks/`, so adding one is adding a file; a family is a module here and a line in
`ladder`. Knows nothing about models or refusals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness.attacks import best_of_n, prefill, suffix_replay, templates
from manybaskets.probes.robustness.attacks.attempt import DIRECT, Attempt

# Families that are no template, by the name under which a study asks for them.
FAMILIES = ("prefill", "best-of-n", "gcg")
__all__ = ["DIRECT", "FAMILIES", "Attempt", "Ladder", "ladder", "template_names"]


@dataclass(frozen=True)
class Ladder:
    """The attacks of a study, in its order, with the texts and settings they need.

    `target` is how a reply begins that complies, for requests that have none of their own.
    `suffixes` are the rows of `gcg`, by request.
    """

    names: Sequence[str]
    templates: Mapping[str, str]
    target: str
    best_of_n: Mapping[str, Any]
    suffixes: Mapping[str, Sequence[Mapping[str, Any]]]


def template_names(names: Sequence[str]) -> list[str]:
    """The attacks among `names` that are templates."""
    return [name for name in names if name not in FAMILIES]


def ladder(requests: Sequence[ProbeRequest], steps: Ladder) -> list[Attempt]:
    """Every request plain; every request that must be declined also under every attack."""
    found = []
    for request in requests:
        found.append(
            Attempt(f"{request.id}/{DIRECT}", request.id, f"{request.kind}/{DIRECT}", request.text)
        )
        if request.declined:
            for name in steps.names:
                found += _attempts(name, request, steps)
    return found


def _attempts(name: str, request: ProbeRequest, steps: Ladder) -> list[Attempt]:
    if name == "prefill":
        return prefill.attempts(request, request.target or steps.target)
    if name == "best-of-n":
        return best_of_n.attempts(request, steps.best_of_n["n"], steps.best_of_n["noise"])
    if name == "gcg":
        return suffix_replay.attempts(request, steps.suffixes.get(request.id, ()))
    return templates.attempts(request, name, steps.templates[name])
