"""Prefilled replies: the reply is forced to begin as if the model had agreed already."""

from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness.attack import Attack, Attempt, Ladder, attempt


class Prefill(Attack):
    """The plain request, and a reply that continues the beginning of one that complies."""

    def attempts(self, request: ProbeRequest, ladder: Ladder) -> list[Attempt]:
        """Returns one attempt; the prefill is the request's own target, otherwise the study's."""
        target = request.target or ladder.target
        return [attempt(request, "prefill", request.text, target.rstrip())]


ATTACK = Prefill()
