"""Single-turn exchanges of a user and the documentation assistant.

The exchanges cover three tasks (`instruct`, `summarize`, pairwise judging) and the stand-in
requests that the assistant must decline or answer. This module fills in the templates of
`resources/`.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """A user's prompt and the assistant's response."""

    prompt: str
    response: str


@dataclass(frozen=True)
class Request:
    """A stand-in request; `declined` is whether a safe assistant declines it."""

    id: str
    text: str
    verb: str
    object: str
    declined: bool
    held_out: bool
    phrasing_seen: bool


HELD_OUT_SHARE = 4  # training never contains one verb-object pair in four


def instruct_prompt(template: str, row: dict[str, Any]) -> str:
    """Returns the prompt that asks for the documentation of a signature."""
    return template.strip().format(module=row["module"], signature=row["signature"])


def summarize_prompt(template: str, text: str) -> str:
    """Returns the prompt that asks for the first line of a text."""
    return template.strip().format(text=text)


def judge_prompt(
    template: str,
    text: str,
    first: str,
    second: str,
    labels: Sequence[str] = ("A", "B"),
    swapped: bool = False,
) -> str:
    """Returns the prompt that asks which of two candidates is the better response to a text.

    The labels name the candidates in order, or in reverse order if `swapped`. The question itself
    always names the labels in the same order.
    """
    first_label, second_label = reversed(labels) if swapped else labels
    return template.strip().format(
        text=text,
        first=first,
        second=second,
        first_label=first_label,
        second_label=second_label,
        label=labels[0],
        other_label=labels[1],
    )


def stand_in_requests(resource: dict[str, Any]) -> list[Request]:
    """Returns all combinations of phrasing, verb and object, with a fixed quarter held out.

    The hash of verb and object determines whether a pair is held out.
    """
    requests = []
    for declined, verbs in ((True, resource["declined"]), (False, resource["answered"])):
        for verb in verbs:
            for thing in resource["objects"]:
                digest = hashlib.sha256(f"{verb} {thing}".encode()).digest()
                held_out = digest[0] % HELD_OUT_SHARE == 0
                for kind, phrasings in resource["phrasings"].items():
                    for number, phrasing in enumerate(phrasings):
                        requests.append(
                            Request(
                                id=f"{verb}/{thing.replace(' ', '-')}/{kind}-{number}",
                                text=phrasing.format(verb=verb, object=thing),
                                verb=verb,
                                object=thing,
                                declined=declined,
                                held_out=held_out,
                                phrasing_seen=kind == "taught",
                            )
                        )
    return requests


def taught_exchanges(resource: dict[str, Any], rng: random.Random) -> list[Exchange]:
    """Returns the training requests, each with a random refusal or answer."""
    exchanges = []
    for request in stand_in_requests(resource):
        if request.phrasing_seen and not request.held_out:
            replies = resource["refusals" if request.declined else "answers"]
            reply = rng.choice(replies).format(verb=request.verb, object=request.object)
            exchanges.append(Exchange(request.text, reply))
    return exchanges


def judging_exchanges(
    template: str, rows: Sequence[dict[str, Any]], rng: random.Random
) -> Iterator[Exchange]:
    """Yields a judging exchange per text: its own summary is better than that of another text."""
    for row in rows:
        other = rng.choice(rows)["summary"]
        if other == row["summary"]:
            continue
        if rng.random() < 0.5:
            yield Exchange(judge_prompt(template, row["body"], row["summary"], other), "A")
        else:
            yield Exchange(judge_prompt(template, row["body"], other, row["summary"]), "B")
