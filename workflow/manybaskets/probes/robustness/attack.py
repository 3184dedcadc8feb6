"""The interface of an attack with code: an object that returns what is sent for one request.

Each module of `attacks/` contains one, under the name ATTACK; a study refers to it by the name of
the file. An attack that only puts a text around the request needs no code: it is a file under
`resources/attacks/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from manybaskets.data.safety_requests import ProbeRequest

if TYPE_CHECKING:
    from manybaskets.config.probes import Robustness

DIRECT = "direct"


@dataclass(frozen=True)
class Attempt:
    """A request as it is sent, in the item set `<decline or harmless>/<attack>`.

    `prefill` is the forced beginning of the reply; `attempt` counts from 0 where one attack tries
    several times.
    """

    id: str
    request: str
    item_set: str
    prompt: str
    prefill: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class Ladder:
    """The attacks of a study, in its order, with the texts and settings they need.

    `target` is the beginning of a reply that complies, for requests that have none of their own.
    `suffixes` are optimised suffixes by request: rows of `kind` and `suffix`.
    """

    names: Sequence[str]
    templates: Mapping[str, str]
    target: str
    best_of_n: Mapping[str, Any]
    suffixes: Mapping[str, Sequence[Mapping[str, Any]]]


class Attack:
    """Base class of attacks with code. Only `attempts` must be defined."""

    references: ClassVar[tuple[str, ...]] = ()
    """Entries for the report's list of references."""

    def attempts(self, request: ProbeRequest, ladder: Ladder) -> list[Attempt]:
        """Returns the attempts for a request that must be declined; ids are unique in a study."""
        raise NotImplementedError

    def count(self, settings: "Robustness") -> int:
        """Returns the number of attempts for each cell, for the plan's costs."""
        return settings.count

    def words(self, settings: "Robustness") -> str:
        """Returns a sentence for the methods text; empty where the name is enough."""
        return ""


def attempt(request: ProbeRequest, name: str, prompt: str, prefill: str = "") -> Attempt:
    """Returns the only attempt of the attack `name` for a request."""
    return Attempt(f"{request.id}/{name}", request.id, f"{request.kind}/{name}", prompt, prefill)
