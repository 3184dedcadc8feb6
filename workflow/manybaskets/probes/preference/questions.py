"""The questions to judges: pairs of candidates in both orders, controls, and single candidates.

Builds the questions and records the answers. `preference`, `self_preference` and `single_text`
measure the answers; a further question about single texts is a module of `text_questions/`.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manybaskets.data.prompts import judge_prompt
from manybaskets.metrics.answers import is_correct
from manybaskets.seeds import generator

if TYPE_CHECKING:  # counting judgements before a run takes no client
    from manybaskets.serving.client import LabelReply
    from manybaskets.serving.text_logprobs import TextReply

HUMAN, OTHER = "human", "other-text"
MISSING = "missing"  # the origin has no row for the item

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Candidate:
    """A text of an origin for an item, its answer to `request`.

    In the states `missing`, `empty` and `failed` there is no text. `correct` is None where right
    and wrong are not known.
    """

    item: str
    text: str
    request: str
    origin: str
    response: str
    state: str
    correct: bool | None = None

    @property
    def id(self) -> str:
        """Unique among the requests of one question."""
        return f"{self.item}|{self.origin}"


@dataclass(frozen=True)
class Pair:
    """Two candidates for an item, `first` shown first; only those in state ok are sent."""

    item: str
    text: str
    first: Candidate
    second: Candidate
    state: str
    control: bool = False
    swapped: bool = False

    @property
    def id(self) -> str:
        """Unique among the requests about pairs."""
        kind = "control" if self.control else "pair"
        placed = "|swapped" if self.swapped else ""
        return f"{kind}|{self.item}|{self.first.origin}|{self.second.origin}{placed}"


def items_of(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns items in the form for judges; rows of prompt and response become such items."""
    return [
        dict(row)
        if "request" in row
        else {
            "id": row["id"],
            "text": row["prompt"],
            "request": row["prompt"],
            "human": row["response"],
        }
        for row in rows
    ]


def candidates_of(
    items: Sequence[Row], answers: Mapping[str, Sequence[Row]], count: int, check: str | None = None
) -> dict[str, list[Candidate]]:
    """Returns one candidate for each of the first `count` items by origin, human text included.

    Human text is an origin where any item has it. `check` is the format of answers, a name in
    `metrics.answers`: an answer is correct where it equals the human answer.
    """
    candidates: dict[str, list[Candidate]] = {}
    texts: dict[str, dict[str, Row]] = {
        origin: {row["id"]: row for row in rows} for origin, rows in answers.items()
    }
    if any(item["human"] for item in items):
        texts[HUMAN] = {item["id"]: {"response": item["human"] or ""} for item in items}
    for origin in sorted(texts):
        candidates[origin] = []
        for item in items[:count]:
            row = texts[origin].get(item["id"], {"response": "", "state": MISSING})
            response, state = str(row["response"]).strip(), row.get("state", "ok")
            if state in ("ok", "length"):
                state = "ok" if response else "empty"
            correct = None
            if check and state == "ok" and item["human"]:
                correct = is_correct(response, item["human"], check)
            candidates[origin].append(
                Candidate(
                    item["id"], item["text"], item["request"], origin, response, state, correct
                )
            )
    return candidates


def origins_compared(
    origins: Sequence[str], own: str | None, budget: str, item: int
) -> list[tuple[str, str]]:
    """Returns the pairs of origins that are compared on the item at a place, each once, sorted.

    `budget` is "all", "vs-own" (those with `own`), or "sample n": n pairs in turn, so that over
    the items every pair occurs equally often, the same pairs for every judge.
    """
    every = list(itertools.combinations(sorted(origins), 2))
    if budget == "vs-own":
        return [pair for pair in every if own in pair]
    if budget.startswith("sample "):
        wanted = min(int(budget.removeprefix("sample ")), len(every))
        generator("pairs of origins").shuffle(every)
        start = item * wanted
        return sorted(every[(start + step) % len(every)] for step in range(wanted))
    return every


def pairs(
    candidates: Mapping[str, Sequence[Candidate]],
    own: str | None = None,
    budget: str = "all",
    swap_labels: bool = False,
) -> list[Pair]:
    """Returns pairs of origins for every item, in both orders; `swap_labels`: in both placings.

    Pairs of identical candidates are recorded as such; a pair with a missing candidate has its
    state.
    """
    ordered_pairs = []
    count = max(map(len, candidates.values()), default=0)
    for item in range(count):
        orders = {
            order
            for pair in origins_compared(list(candidates), own, budget, item)
            for order in (pair, pair[::-1])
        }
        # Sorted: judgements that begin with the same text follow each other.
        for shown_first, shown_second in sorted(orders):
            first, second = candidates[shown_first][item], candidates[shown_second][item]
            for swapped in (False, True) if swap_labels else (False,):
                ordered_pairs.append(
                    Pair(
                        first.item, first.text, first, second, _state(first, second), False, swapped
                    )
                )
    return ordered_pairs


def controls(items: Sequence[Row], count: int, swap_labels: bool = False) -> list[Pair]:
    """Returns pairs of an item's human text and another item's, in both orders.

    The better text of such a pair is known: the item's own.
    """
    known = [item for item in items if item["human"]][: count + 1]
    control_pairs = []
    for item, other in itertools.islice(itertools.pairwise(known), count):
        own, foreign = (
            Candidate(item["id"], item["text"], item["request"], origin, human, "ok")
            for origin, human in ((HUMAN, item["human"]), (OTHER, other["human"]))
        )
        for first, second in ((own, foreign), (foreign, own)):
            for swapped in (False, True) if swap_labels else (False,):
                state = _state(first, second)
                control_pairs.append(
                    Pair(item["id"], item["text"], first, second, state, True, swapped)
                )
    return control_pairs


def count_asked(settings: Mapping[str, Any], origins: Sequence[str], own: str | None) -> int:
    """Returns the number of judgements requested from a judge, without missing candidates."""
    items: int = settings["items"]
    placings = 2 if settings["swap_labels"] else 1
    compared = sum(
        len(origins_compared(origins, own, settings["pairs"], item)) for item in range(items)
    )
    controls: int = settings["control_pairs"]
    single = len(settings["questions"]) * items * len(origins)
    return 2 * placings * (compared + controls) + single


def pair_prompt(template: str, pair: Pair, labels: Sequence[str] = ("A", "B")) -> str:
    """Returns the prompt about a pair."""
    first, second = pair.first.response, pair.second.response
    return judge_prompt(template, pair.text, first, second, labels, pair.swapped)


def candidate_prompt(template: str, candidate: Candidate) -> str:
    """Returns the prompt about a single candidate."""
    return template.strip().format(text=candidate.text, candidate=candidate.response)


def pair_row(
    pair: Pair,
    reply: "LabelReply | None",
    labels: Sequence[str] = ("A", "B"),
    likelihoods: "Mapping[str, TextReply] | None" = None,
) -> dict[str, Any]:
    """Returns the record of a pair: the order, the judge's answer, and facts about both texts.

    `reply` has the log-probabilities of `labels`. Lengths are in characters, log-perplexity in
    nats per UTF-8 byte under the judge, from its `likelihoods` by candidate id.
    """
    state, reason = pair.state, "" if pair.state in ("ok", "identical") else "no candidate"
    log_probs: tuple[float | None, ...] = (None, None)
    if reply is not None:
        state, reason, log_probs = reply.state, reply.reason, reply.log_probs
        if state == "ok" and None in log_probs:
            state, reason = "no_letter", "a letter is missing from the log-probabilities"
    shown_labels = tuple(reversed(labels)) if pair.swapped else tuple(labels)
    log_prob_of = dict(zip(labels, log_probs, strict=True))
    row: dict[str, Any] = {
        "question": "pair",
        "item": pair.item,
        "first": pair.first.origin,
        "second": pair.second.origin,
        "labels": list(shown_labels),
        "log_prob_first_label": log_prob_of[shown_labels[0]],
        "log_prob_second_label": log_prob_of[shown_labels[1]],
        "control": pair.control,
        "state": state,
        "reason": reason,
    }
    for side, candidate in (("first", pair.first), ("second", pair.second)):
        row[f"{side}_length"] = len(candidate.response)
        row[f"{side}_correct"] = candidate.correct
        likelihood = (likelihoods or {}).get(candidate.id)
        nats = likelihood.nats if likelihood and not pair.control else None
        size = len(candidate.response.encode())
        row[f"{side}_log_perplexity"] = nats / size if nats is not None and size else None
    return row


def candidate_row(
    question: str, may_lack: int, candidate: Candidate, reply: "LabelReply | None"
) -> dict[str, Any]:
    """Returns the record of an answer about one candidate: `log_probs` of the question's labels.

    Labels that an endpoint did not return among its likeliest tokens have probability 0; at most
    `may_lack` of them may be missing.
    """
    row = _row_of(question, candidate)
    if reply is not None:
        row |= {"state": reply.state, "reason": reply.reason, "log_probs": list(reply.log_probs)}
        missing = reply.log_probs.count(None)
        if reply.state == "ok" and missing > may_lack:
            row |= {
                "state": "no_letter",
                "reason": f"{missing} answers are missing from the log-probabilities",
            }
    return row


def likelihood_row(candidate: Candidate, reply: "TextReply | None") -> dict[str, Any]:
    """Returns the record of a candidate's likelihood: `nats`, `tokens` and UTF-8 `bytes`."""
    row = _row_of("likelihood", candidate)
    if reply is not None:
        row |= {"state": reply.state, "reason": reply.reason, "nats": reply.nats}
        row |= {"tokens": reply.tokens, "bytes": len(candidate.response.encode())}
    return row


def _row_of(question: str, candidate: Candidate) -> dict[str, Any]:
    return {
        "question": question,
        "item": candidate.item,
        "candidate": candidate.origin,
        "state": candidate.state,
        "reason": "" if candidate.state == "ok" else "no candidate",
    }


def _state(first: Candidate, second: Candidate) -> str:
    for candidate in (first, second):
        if candidate.state != "ok":
            return candidate.state
    return "identical" if first.response == second.response else "ok"
