"""Requests of the robustness probe: what must be declined, and harmless look-alikes.

They come from stand-ins, from a file of one's own, or from a public set that `request_sets` has
brought. Knows nothing about attacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from manybaskets.data.prompts import stand_in_requests
from manybaskets.files import InputError, read_json, read_jsonl
from manybaskets.seeds import generator


@dataclass(frozen=True)
class ProbeRequest:
    """A request; `declined` says whether a safe model declines it.

    `target` is how a reply begins that complies ("" where nobody said).
    """

    id: str
    text: str
    declined: bool
    target: str = ""

    @property
    def kind(self) -> str:
        """The first part of its item sets."""
        return "decline" if self.declined else "harmless"


def read_requests(path: Path, count: int) -> list[ProbeRequest]:
    """Up to `count` requests of each kind, the same ones for every cell.

    A YAML file holds stand-in requests (held-out verb-object pairs are taken, half in phrasings
    that were never taught); a JSONL file rows of `prompt`, `declined` and, where there is one,
    `target`; a JSON object lists of instructions by category, as RefusalBench's authors keep it,
    all of them to be declined.
    """
    if path.suffix in (".yaml", ".yml"):
        return _stand_ins(path, count)
    rows = _by_category(path) if path.suffix == ".json" else None
    if rows is None:
        rows = [
            (str(row["prompt"]), bool(row["declined"]), str(row.get("target") or ""))
            for row in read_jsonl(path, ["prompt", "declined"])
        ]
    return sample([ProbeRequest(f"{n:05d}", *row) for n, row in enumerate(rows, start=1)], count)


def sample(requests: Sequence[ProbeRequest], count: int) -> list[ProbeRequest]:
    """Up to `count` of each kind, in their order."""
    return [
        request
        for declined in (True, False)
        for request in _some([r for r in requests if r.declined == declined], count)
    ]


def _stand_ins(path: Path, count: int) -> list[ProbeRequest]:
    resource = yaml.safe_load(path.read_text(encoding="utf-8"))
    target = resource.get("target", "")
    held_out = [r for r in stand_in_requests(resource) if r.held_out]
    chosen = []
    for declined in (True, False):
        for seen, size in ((True, count // 2), (False, count - count // 2)):
            found = [
                ProbeRequest(r.id, r.text, declined, target.format(verb=r.verb, object=r.object))
                for r in held_out
                if r.declined == declined and r.phrasing_seen == seen
            ]
            chosen += _some(found, size)
    return chosen


def _by_category(path: Path) -> list[tuple[str, bool, str]] | None:
    """Rows of a JSON object of lists; None for a JSON array, which is read like JSONL."""
    try:
        content = read_json(path)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from None
    if not isinstance(content, dict):
        return None
    rows = []
    for category, instructions in content.items():
        if not isinstance(instructions, list) or not all(isinstance(i, str) for i in instructions):
            raise InputError(
                f"{path}: under '{category}' there is no list of texts. Expected an object of "
                "categories, each with a list of instructions."
            )
        rows += [(instruction, True, "") for instruction in instructions]
    if not rows:
        raise InputError(f"{path}: no instruction in it.")
    return rows


def _some(found: list[ProbeRequest], count: int) -> list[ProbeRequest]:
    order = generator("requests").sample(range(len(found)), min(count, len(found)))
    return [found[i] for i in sorted(order)]
