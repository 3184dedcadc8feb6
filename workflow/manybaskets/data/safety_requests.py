"""Requests of the robustness probe: requests to be declined, and similar harmless ones.

The requests are stand-ins, rows of a user's file, or rows of a public set (`request_sets`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from manybaskets.config import yaml_files
from manybaskets.config.base import shown
from manybaskets.config.validation import problems_of
from manybaskets.data.prompts import stand_in_requests
from manybaskets.data.tables import json_text
from manybaskets.data.tables.formats import open_table
from manybaskets.data.tables.values import boolean_of, text_of
from manybaskets.files import InputError
from manybaskets.seeds import generator


@dataclass(frozen=True)
class ProbeRequest:
    """A request; `declined` is whether a safe model declines it.

    `target` is the beginning of a compliant reply, or "" if unknown.
    """

    id: str
    text: str
    declined: bool
    target: str = ""

    @property
    def kind(self) -> str:
        """Returns the first part of the names of the item sets that contain the request."""
        return "decline" if self.declined else "harmless"


def read_requests(path: Path, count: int) -> list[ProbeRequest]:
    """Returns up to `count` requests of each kind, the same ones for every cell.

    A YAML file contains stand-in requests: the sample has held-out verb-object pairs, half of them
    in phrasings outside the training data. A file of rows, in any format of `data.tables`, has
    the fields `prompt`, `declined` and, optionally, `target`. A JSON object contains lists of
    instructions by category, all to be declined (the format of RefusalBench). Raises InputError
    for a file in another format.
    """
    if path.suffix in (".yaml", ".yml"):
        return _stand_ins(path, count)
    rows = _by_category(path) if path.suffix == ".json" else None
    if rows is None:
        table = open_table(path)
        rows = [_row(table.where(row.number), row.fields) for row in table.rows()]
    return sample([ProbeRequest(f"{n:05d}", *row) for n, row in enumerate(rows, start=1)], count)


def _row(where: str, fields: Mapping[str, Any]) -> tuple[str, bool, str]:
    """Returns the request of a row, whether it is to be declined, and its target."""
    for name in ("prompt", "declined"):
        if name not in fields:
            raise InputError(
                f"{where}: the field '{name}' is missing; the row has "
                f"{', '.join(fields) or 'no fields'}. Add it."
            )
    prompt = text_of(fields["prompt"], f"{where}, prompt")
    if not prompt.strip():
        raise InputError(f"{where}: the prompt is empty. Remove the row, or complete it.")
    declined = boolean_of(fields["declined"], f"{where}, declined")
    target = fields.get("target")
    return prompt, declined, "" if target is None else text_of(target, f"{where}, target")


def sample(requests: Sequence[ProbeRequest], count: int) -> list[ProbeRequest]:
    """Returns a random sample of up to `count` requests of each kind, in their original order."""
    return [
        request
        for declined in (True, False)
        for request in _subset([r for r in requests if r.declined == declined], count)
    ]


class _StandIns(BaseModel):
    """The keys of a YAML file of stand-in requests that the probe needs."""

    model_config = ConfigDict(strict=True)

    declined: list[str]
    answered: list[str]
    objects: list[str]
    phrasings: dict[str, list[str]]
    target: str = ""


def _stand_ins(path: Path, count: int) -> list[ProbeRequest]:
    try:
        resource = _StandIns.model_validate(yaml_files.read(path))
        # Templates can name fields that do not exist, or attributes of them.
        return _sampled_stand_ins(resource, count)
    except ValidationError as error:
        raise InputError(f"{problems_of(str(path), error)} Correct the file.") from None
    except (LookupError, AttributeError) as error:
        raise InputError(
            f"{path}: a phrasing or target has a field that is not {{verb}} or {{object}} "
            f"({shown(str(error))}). Correct the file."
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None


def _sampled_stand_ins(resource: _StandIns, count: int) -> list[ProbeRequest]:
    target = resource.target
    held_out = [r for r in stand_in_requests(resource.model_dump()) if r.held_out]
    sampled = []
    for declined in (True, False):
        for seen, size in ((True, count // 2), (False, count - count // 2)):
            candidates = [
                ProbeRequest(r.id, r.text, declined, target.format(verb=r.verb, object=r.object))
                for r in held_out
                if r.declined == declined and r.phrasing_seen == seen
            ]
            sampled += _subset(candidates, size)
    return sampled


def _by_category(path: Path) -> list[tuple[str, bool, str]] | None:
    """Returns the rows of a JSON object of lists; None for a file of rows."""
    if open_table(path).format != "JSON object":
        return None
    content = json_text.document(path)
    if not isinstance(content, dict) or _has_rows(content):
        return None
    rows = []
    for category, instructions in content.items():
        if not isinstance(instructions, list) or not all(isinstance(i, str) for i in instructions):
            raise InputError(
                f"{path}: the value of '{category}' is not a list of strings. Expected an object "
                "that maps categories to lists of instructions."
            )
        rows += [(instruction, True, "") for instruction in instructions]
    if not rows:
        raise InputError(f"{path}: contains no instruction. Add instructions, or another file.")
    return rows


def _has_rows(content: Mapping[str, Any]) -> bool:
    """Returns whether an object is a row, or has a list of rows."""
    return "prompt" in content or any(
        key in json_text.LISTS and isinstance(value, list) and value and isinstance(value[0], dict)
        for key, value in content.items()
    )


def _subset(requests: list[ProbeRequest], count: int) -> list[ProbeRequest]:
    size = min(count, len(requests))
    indices = generator("requests").sample(range(len(requests)), size)
    return [requests[i] for i in sorted(indices)]
