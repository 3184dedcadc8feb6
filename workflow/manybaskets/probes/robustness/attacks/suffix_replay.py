"""Suffixes that GCG has found, replayed: the same one for every cell, beside a random one."""

from collections.abc import Mapping, Sequence
from typing import Any

from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness.attacks.attempt import Attempt


def attempts(request: ProbeRequest, found: Sequence[Mapping[str, Any]]) -> list[Attempt]:
    """One attempt per suffix of this request; none for a request without any.

    A row of `found` has `kind` (the attack's name, such as gcg or gcg-control) and `suffix`, the
    text that is put right behind the request.
    """
    return [
        Attempt(
            f"{request.id}/{row['kind']}",
            request.id,
            f"{request.kind}/{row['kind']}",
            request.text + row["suffix"],
        )
        for row in found
    ]
