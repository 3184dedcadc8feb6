"""Requests of the robustness probe, and attacks on them.

A request is to be declined or harmless. An attack is a template under `resources/attacks/` with
the request in it. Knows nothing about models or refusals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from manybaskets.exchanges import stand_in_requests
from manybaskets.files import BadFile, read_jsonl
from manybaskets.seeds import generator

DIRECT = "direct"


@dataclass(frozen=True)
class ProbeRequest:
    """A request; `declined` says whether a safe model declines it."""

    id: str
    text: str
    declined: bool


@dataclass(frozen=True)
class Attempt:
    """A request as it is sent, in the item set `decline/<attack>` or `harmless/direct`."""

    id: str
    item_set: str
    prompt: str


def read_requests(path: Path, count: int) -> list[ProbeRequest]:
    """Up to `count` requests of each kind, the same ones for every cell.

    A YAML file holds stand-in requests (held-out verb-object pairs are taken, half in phrasings
    that were never taught); a JSONL file rows of `prompt` and `declined`.
    """
    if path.suffix in (".yaml", ".yml"):
        resource = yaml.safe_load(path.read_text(encoding="utf-8"))
        held_out = [r for r in stand_in_requests(resource) if r.held_out]
        chosen = []
        for declined in (True, False):
            for seen, size in ((True, count // 2), (False, count - count // 2)):
                found = [
                    ProbeRequest(r.id, r.text, declined)
                    for r in held_out
                    if r.declined == declined and r.phrasing_seen == seen
                ]
                chosen += _some(found, size)
        return chosen
    rows = read_jsonl(path, ["prompt", "declined"])
    requests = [
        ProbeRequest(f"{n:05d}", str(row["prompt"]), bool(row["declined"]))
        for n, row in enumerate(rows, start=1)
    ]
    return [
        request
        for declined in (True, False)
        for request in _some([r for r in requests if r.declined == declined], count)
    ]


def attempts(requests: Sequence[ProbeRequest], templates: dict[str, str]) -> list[Attempt]:
    """Every request plain; every request that must be declined also under every attack."""
    found = []
    for request in requests:
        kind = "decline" if request.declined else "harmless"
        found.append(Attempt(f"{request.id}/{DIRECT}", f"{kind}/{DIRECT}", request.text))
        if request.declined:
            for name, template in templates.items():
                found.append(
                    Attempt(
                        f"{request.id}/{name}", f"{kind}/{name}", _fill(name, template, request)
                    )
                )
    return found


def _fill(name: str, template: str, request: ProbeRequest) -> str:
    if "{request}" not in template:
        raise BadFile(f"the attack '{name}' does not say where the request goes: {{request}}")
    return template.strip().replace("{request}", request.text)


def _some(found: list[ProbeRequest], count: int) -> list[ProbeRequest]:
    order = generator("requests").sample(range(len(found)), min(count, len(found)))
    return [found[i] for i in sorted(order)]
