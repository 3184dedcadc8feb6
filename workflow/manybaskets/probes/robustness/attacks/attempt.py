"""One thing that is sent to a model for one request."""

from dataclasses import dataclass

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
