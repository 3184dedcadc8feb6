"""Public sets of requests: declared in `resources/requests/sets.yaml`, brought, verified, read.

A set is used only with the bytes that are declared, so that two studies of one name ask the same.
"""

import csv
import functools
import hashlib
import io
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import yaml

from manybaskets.data.safety_requests import ProbeRequest, read_requests, sample
from manybaskets.files import InputError
from manybaskets.paths import RESOURCES

DECLARED = RESOURCES / "requests" / "sets.yaml"
TIMEOUT_SECONDS = 60
HUB_KEY = "HF_TOKEN"
EVERY = 10**9


@dataclass(frozen=True)
class RequestSet:
    """A public set: its home, its hash, and which columns of it are what."""

    name: str
    url: str
    sha256: str
    rows: int
    licence: str
    reference: str
    prompt: str
    declined: bool | Mapping[str, str]
    target: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    def described(self, sha256: str | None = None) -> dict[str, Any]:
        """What decides its bytes and how they are read; `sha256` of the study instead of ours."""
        return asdict(replace(self, sha256=sha256 or self.sha256))


@functools.cache
def declared_sets() -> dict[str, RequestSet]:
    """All sets by name."""
    content = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))
    return {name: RequestSet(name=name, **entry) for name, entry in content.items()}


def is_declared(name: str) -> bool:
    """Whether `name` is a public set, and not a file."""
    return name in declared_sets()


def declared(name: str) -> RequestSet:
    """The set of a name; raises KeyError for one that is not declared."""
    return declared_sets()[name]


def bring(entry: Mapping[str, Any], copy: Path | None) -> bytes:
    """The bytes of a set, from its home or from a copy on this machine, verified.

    Raises InputError for a home that cannot be reached, that asks for a licence to be accepted (401
    and 403), and for bytes of another hash.
    """
    name = entry["name"]
    content = _fetched(name, entry["url"]) if copy is None else _copied(name, copy)
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        place = entry["url"] if copy is None else str(copy)
        raise InputError(
            f"the set '{name}' from {place} has the SHA-256 {found}, expected {entry['sha256']}. "
            "It is another version, or damaged. Bring the declared one, or, if you mean this one, "
            f"say so: probes.robustness.sha256: {{{name}: {found}}}."
        )
    return content


def read_set(name: str, path: Path) -> list[ProbeRequest]:
    """The requests of a set that was brought to `path`. Raises InputError where columns are missing.

    A row whose text stood before is left out.
    """
    entry = declared(name)
    text = path.read_text(encoding="utf-8-sig")
    reader = csv.DictReader(io.StringIO(text))
    columns = [entry.prompt, *filter(None, [entry.target]), *entry.where]
    if isinstance(entry.declined, Mapping):
        columns += entry.declined
    for column in columns:
        if column not in (reader.fieldnames or ()):
            raise InputError(
                f"{path}: the set '{name}' has no column '{column}', only "
                f"{', '.join(reader.fieldnames or ())}. It is another version than the declared."
            )
    found: dict[str, ProbeRequest] = {}
    for number, row in enumerate(reader, start=1):
        prompt = row[entry.prompt].strip()
        if prompt and all(row[column] == value for column, value in entry.where.items()):
            target = row[entry.target].strip() if entry.target else ""
            request = ProbeRequest(f"{name}/{number:04d}", prompt, _is_declined(entry, row), target)
            found.setdefault(prompt, request)
    return list(found.values())


def read_all(files: Sequence[Path], sets: Sequence[Path], count: int) -> list[ProbeRequest]:
    """Up to `count` requests of each kind of all files and sets together.

    A set lies under its name. Of several files the same share is taken, by chance.
    """
    if len(files) == 1 and not sets:
        return read_requests(files[0], count)
    found = []
    for place, path in enumerate(files, start=1):
        requests = read_requests(path, EVERY)
        found += [replace(request, id=f"{place}/{request.id}") for request in requests]
    for path in sets:
        found += read_set(path.name, path)
    return sample(found, count)


def _is_declined(entry: RequestSet, row: Mapping[str, str]) -> bool:
    if isinstance(entry.declined, Mapping):
        return all(row[column] == value for column, value in entry.declined.items())
    return entry.declined


def _copied(name: str, path: Path) -> bytes:
    if not path.is_file():
        raise InputError(
            f"probes.robustness.copies: there is no file {path} for the set '{name}'. Mend the "
            "path, or remove the entry to have it fetched."
        )
    return path.read_bytes()


def _fetched(name: str, url: str) -> bytes:
    headers = {"User-Agent": "manybaskets"}
    key = os.environ.get(HUB_KEY, "").strip()
    home = urlparse(url).hostname or ""
    if key and (home == "huggingface.co" or home.endswith(".huggingface.co")):
        headers["Authorization"] = f"Bearer {key}"
    offline = f"Fetch it elsewhere and name the copy: probes.robustness.copies: {{{name}: <file>}}."
    try:
        asked = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise InputError(
                f"the set '{name}' is behind a licence gate: {url} answered {error.code}. Accept "
                f"its licence there with your account and put that account's token in the "
                f"environment variable {HUB_KEY}. {offline}"
            ) from None
        raise InputError(f"the set '{name}': {url} answered {error.code}. {offline}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"the set '{name}': {url} cannot be reached ({reason}). {offline}"
        ) from None
