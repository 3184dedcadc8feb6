"""Pairs of candidates for judges: every two origins of an item, in both orders, and controls.

Knows what is asked and how an answer is recorded; what the answers mean is `preference`'s.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manybaskets.client import LabelReply
from manybaskets.exchanges import judge_prompt

HUMAN, OTHER = "human", "other-text"


@dataclass(frozen=True)
class Pair:
    """Two candidates for an item, `first` shown first. State `identical` or `failed`: not asked."""

    item: str
    text: str
    first: str
    second: str
    first_text: str
    second_text: str
    state: str
    control: bool = False

    @property
    def id(self) -> str:
        """Unique in a call."""
        return f"{'control' if self.control else 'pair'}|{self.item}|{self.first}|{self.second}"


def pairs(
    items: Sequence[Mapping[str, Any]],
    candidates: Mapping[str, Sequence[Mapping[str, Any]]],
    count: int,
) -> list[Pair]:
    """All ordered pairs of origins for the first `count` items.

    Identical candidates cannot be told apart and are recorded as such; a missing, empty or failed
    candidate makes the pair `failed`.
    """
    texts: dict[str, dict[str, str]] = {
        origin: {
            row["id"]: row["response"].strip() if row.get("state", "ok") in ("ok", "cut") else ""
            for row in rows
        }
        for origin, rows in candidates.items()
    }
    if any(item["human"] for item in items):
        texts[HUMAN] = {item["id"]: item["human"] or "" for item in items}
    found = []
    for item in items[:count]:
        for first, second in itertools.permutations(sorted(texts), 2):
            one, two = (texts[origin].get(item["id"], "") for origin in (first, second))
            state = "failed" if not one or not two else "identical" if one == two else "ok"
            found.append(Pair(item["id"], item["text"], first, second, one, two, state))
    return found


def controls(items: Sequence[Mapping[str, Any]], count: int) -> list[Pair]:
    """This item's human candidate against another item's, in both orders: the better is known."""
    known = [item for item in items if item["human"]][: count + 1]
    found = []
    for item, other in itertools.islice(itertools.pairwise(known), count):
        own, foreign = (HUMAN, item["human"]), (OTHER, other["human"])
        state = "identical" if own[1] == foreign[1] else "ok"
        for (first, one), (second, two) in ((own, foreign), (foreign, own)):
            found.append(
                Pair(item["id"], item["text"], first, second, one, two, state, control=True)
            )
    return found


def prompt(template: str, pair: Pair) -> str:
    """What the judge is asked."""
    return judge_prompt(template, pair.text, pair.first_text, pair.second_text)


def judgement(pair: Pair, reply: LabelReply | None) -> dict[str, Any]:
    """The record of a pair: who stood first, and the log-probabilities of the two letters."""
    state, reason = pair.state, "a candidate is missing" if pair.state == "failed" else ""
    log_probs: tuple[float | None, ...] = (None, None)
    if reply is not None:
        state, reason, log_probs = reply.state, reply.reason, reply.log_probs
        if state == "ok" and None in log_probs:
            state, reason = "failed", "a letter is missing from the log-probabilities"
    return {
        "item": pair.item,
        "first": pair.first,
        "second": pair.second,
        "log_prob_first_label": log_probs[0],
        "log_prob_second_label": log_probs[1],
        "control": pair.control,
        "state": state,
        "reason": reason,
    }
