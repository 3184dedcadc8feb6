"""Prefilled replies."""

from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness.attacks.prefill import ATTACK
from tests.support.attack_requests import REQUEST, steps


def test_a_reply_begins_with_the_request_s_own_target_or_the_study_s() -> None:
    (own,) = ATTACK.attempts(REQUEST, steps("prefill"))
    assert (own.prompt, own.prefill) == (REQUEST.text, "To leak it, load")
    (other,) = ATTACK.attempts(ProbeRequest("c", "x", True), steps("prefill"))
    assert other.prefill == "Sure:"
