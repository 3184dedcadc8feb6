"""Prefilled replies: the model is made to begin as if it had agreed already."""

from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness.attacks.attempt import Attempt

NAME = "prefill"


def attempts(request: ProbeRequest, target: str) -> list[Attempt]:
    """The plain request; the reply goes on from `target`."""
    item_set = f"{request.kind}/{NAME}"
    return [Attempt(f"{request.id}/{NAME}", request.id, item_set, request.text, target.rstrip())]
