"""The ladder of attacks: the messages sent for a request under each of them."""

from collections import Counter

from manybaskets import plugins
from manybaskets.config.probes import Robustness
from manybaskets.paths import RESOURCES
from manybaskets.probes.robustness import attacks
from tests.support.attack_requests import HARMLESS, REQUEST, steps


def test_every_request_is_sent_plain_and_only_what_must_be_declined_is_attacked() -> None:
    found = attacks.ladder([REQUEST, HARMLESS], steps("wrap", "prefill", "best-of-n"))
    assert Counter(attempt.item_set for attempt in found) == {
        "decline/direct": 1,
        "decline/wrap": 1,
        "decline/prefill": 1,
        "decline/best-of-n": 3,
        "harmless/direct": 1,
    }
    assert len({attempt.id for attempt in found}) == len(found)
    assert {attempt.request for attempt in found} == {"a", "b"}


def test_every_template_of_the_repository_has_a_place_for_the_request() -> None:
    texts = {p.stem: p.read_text(encoding="utf-8") for p in (RESOURCES / "attacks").glob("*.txt")}
    found = attacks.ladder([REQUEST], steps(*texts, templates=texts))
    assert len(found) == 1 + len(texts)
    assert len({attempt.prompt for attempt in found}) == len(found)
    assert {"refusal-suppression", "style", "base64", "rot13", "leetspeak"} <= texts.keys()


def test_an_attack_is_a_module_or_a_template() -> None:
    assert attacks.known() == plugins.names("probes.robustness.attacks")
    assert {"prefill", "best-of-n", "gcg"} <= set(attacks.known())
    assert attacks.template_names(["persona", "gcg", "prefill"]) == ["persona"]


def test_the_count_of_attempts_is_the_number_that_is_sent() -> None:
    settings = Robustness(count=1, attacks=["wrap", "prefill", "best-of-n"])
    names = steps(*settings.attacks, best_of_n={"n": settings.best_of_n.n, "noise": 0.4})
    assert attacks.count(settings) == len(attacks.ladder([REQUEST, HARMLESS], names))
