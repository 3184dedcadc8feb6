"""Replays suffixes optimised by GCG, the same for every cell, and random ones as a control."""

from manybaskets.config.probes import Robustness
from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness.attack import Attack, Attempt, Ladder, attempt


class Gcg(Attack):
    """The request followed by a suffix; `suffix_search` optimises the suffixes."""

    references = (
        "Zou, A. et al. Universal and Transferable Adversarial Attacks on Aligned Language Models. "
        "arXiv:2307.15043.",
    )

    def attempts(self, request: ProbeRequest, ladder: Ladder) -> list[Attempt]:
        """Returns an attempt for each suffix of the request, under its kind (gcg, gcg-control)."""
        return [
            attempt(request, row["kind"], request.text + row["suffix"])
            for row in ladder.suffixes.get(request.id, ())
        ]

    def count(self, settings: Robustness) -> int:
        """Two suffixes for each request, three where cells have their own."""
        suffixes = 3 if settings.gcg.per_cell else 2
        return min(settings.count, settings.gcg.behaviours) * suffixes

    def words(self, settings: Robustness) -> str:
        """Names the number of requests, the length of a suffix, and the steps."""
        gcg = settings.gcg
        return (
            f"GCG (Zou et al.) optimised a suffix of {gcg.suffix_tokens} tokens for each of "
            f"{gcg.behaviours} requests in {gcg.steps} steps on the vanilla target; the same "
            "suffixes, and random ones of their length, were sent to every cell."
        )


ATTACK = Gcg()
