"""Suffixes of GCG, replayed."""

from manybaskets.config.probes import Gcg, Robustness
from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness.attacks.gcg import ATTACK
from tests.support.attack_requests import REQUEST, steps

ROWS = [{"kind": "gcg", "suffix": " ! x"}, {"kind": "gcg-control", "suffix": " y"}]


def test_suffixes_follow_the_request_that_they_were_found_for() -> None:
    ladder = steps("gcg", suffixes={"a": ROWS})
    attempts = ATTACK.attempts(REQUEST, ladder)
    assert [attempt.item_set for attempt in attempts] == ["decline/gcg", "decline/gcg-control"]
    assert attempts[0].prompt == f"{REQUEST.text} ! x"
    assert ATTACK.attempts(ProbeRequest("c", "z", True), ladder) == []


def test_cells_with_suffixes_of_their_own_are_attacked_three_times() -> None:
    shared, own = (Robustness(count=9, gcg=Gcg(behaviours=4, per_cell=on)) for on in (False, True))
    assert (ATTACK.count(shared), ATTACK.count(own)) == (8, 12)
