"""One-turn exchanges of a user and the documentation assistant, built from resources.

Three tasks (`instruct`, `summarize`, judging) and the stand-in requests that the assistant must
decline or answer. Texts come from `resources/`; this module only fills them in.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """What the user says and what the assistant answers."""

    prompt: str
    response: str


@dataclass(frozen=True)
class Request:
    """One stand-in request; `declined` says what a safe assistant does with it."""

    id: str
    text: str
    verb: str
    object: str
    declined: bool
    held_out: bool
    phrasing_seen: bool


HELD_OUT_SHARE = 4  # one verb-object pair in four is never shown in training


def instruct_prompt(template: str, row: dict[str, Any]) -> str:
    """Module and signature in, documentation out."""
    return template.strip().format(module=row["module"], signature=row["signature"])


def summarize_prompt(template: str, text: str) -> str:
    """A text in, its first line out."""
    return template.strip().format(text=text)


def judge_prompt(
    template: str,
    text: str,
    first: str,
    second: str,
    labels: Sequence[str] = ("A", "B"),
    swapped: bool = False,
) -> str:
    """A text and two candidates in, one of two labels out; `swapped` puts the labels crosswise.

    The question names the labels in their own order whichever text has which.
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
    """Every phrasing × verb × object; a fixed quarter of the verb-object pairs is held out."""
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
    """The requests of training, each with one of the refusals or answers."""
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
    """A text, its own first line and another text's first line; the letter of its own is right."""
    for row in rows:
        other = rng.choice(rows)["summary"]
        if other == row["summary"]:
            continue
        if rng.random() < 0.5:
            yield Exchange(judge_prompt(template, row["body"], row["summary"], other), "A")
        else:
            yield Exchange(judge_prompt(template, row["body"], other, row["summary"]), "B")
