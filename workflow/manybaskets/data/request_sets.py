"""Public request sets: declared in `resources/requests/sets.yaml`, downloaded, verified and read.

A set must have the declared SHA-256, so that all studies that name it use the same requests.
"""

import functools
import hashlib
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
from manybaskets.data.tables.formats import read_table
from manybaskets.files import InputError
from manybaskets.paths import RESOURCES

DECLARED = RESOURCES / "requests" / "sets.yaml"
TIMEOUT_SECONDS = 60
HUB_KEY = "HF_TOKEN"
UNLIMITED = 10**9


@dataclass(frozen=True)
class RequestSet:
    """A public request set: its URL, its hash, and the meaning of its columns.

    `prompt` and `target` name the columns of the request and of the beginning of a compliant
    reply. `declined` is a constant, or the column values of requests to be declined. `where` is
    the column values of the rows that are used.
    """

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
        """Returns the fields as a dict for a job's spec; `sha256` overrides the declared hash."""
        return asdict(replace(self, sha256=sha256 or self.sha256))


@functools.cache
def declared_sets() -> dict[str, RequestSet]:
    """Returns all declared sets by name."""
    content = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))
    return {name: RequestSet(name=name, **entry) for name, entry in content.items()}


def is_declared(name: str) -> bool:
    """Returns whether `name` is the name of a declared set."""
    return name in declared_sets()


def declared(name: str) -> RequestSet:
    """Returns the set with a name; raises KeyError if it is not declared."""
    return declared_sets()[name]


def verified_content(entry: Mapping[str, Any], copy: Path | None) -> bytes:
    """Returns the content of a set, from its URL or from a local copy, with a verified hash.

    Raises InputError if the URL is unreachable or behind a licence gate (401, 403), if the copy is
    missing, and if the content has another hash.
    """
    name = entry["name"]
    content = _download(name, entry["url"]) if copy is None else _read_copy(name, copy)
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry["sha256"]:
        origin = entry["url"] if copy is None else str(copy)
        raise InputError(
            f"the set '{name}' from {origin} has the SHA-256 {digest}, expected "
            f"{entry['sha256']}. It is another version, or damaged. Use the declared version; to "
            f"use this one, set probes.robustness.sha256: {{{name}: {digest}}}."
        )
    return content


def read_set(name: str, path: Path) -> list[ProbeRequest]:
    """Returns the distinct requests of the set in the CSV file `path`.

    Raises InputError if a column is missing.
    """
    entry = declared(name)
    rows = read_table(path)
    columns = [entry.prompt, *filter(None, [entry.target]), *entry.where]
    if isinstance(entry.declined, Mapping):
        columns += entry.declined
    for column in columns:
        if column not in rows[0].fields:
            raise InputError(
                f"{path}: the set '{name}' has no column '{column}', only "
                f"{', '.join(rows[0].fields)}. The file is not the declared version; "
                "download that one."
            )
    requests: dict[str, ProbeRequest] = {}
    for number, (_, row) in enumerate(rows, start=1):
        prompt = row[entry.prompt].strip()
        if prompt and all(row[column] == value for column, value in entry.where.items()):
            target = row[entry.target].strip() if entry.target else ""
            request = ProbeRequest(f"{name}/{number:04d}", prompt, _is_declined(entry, row), target)
            requests.setdefault(prompt, request)
    return list(requests.values())


def read_all(files: Sequence[Path], sets: Sequence[Path], count: int) -> list[ProbeRequest]:
    """Returns a random sample of up to `count` requests of each kind from all files and sets.

    The file name of a set is its name.
    """
    if len(files) == 1 and not sets:
        return read_requests(files[0], count)
    pool = []
    for number, path in enumerate(files, start=1):
        requests = read_requests(path, UNLIMITED)
        pool += [replace(request, id=f"{number}/{request.id}") for request in requests]
    for path in sets:
        pool += read_set(path.name, path)
    return sample(pool, count)


def _is_declined(entry: RequestSet, row: Mapping[str, str]) -> bool:
    if isinstance(entry.declined, Mapping):
        return all(row[column] == value for column, value in entry.declined.items())
    return entry.declined


def _read_copy(name: str, path: Path) -> bytes:
    if not path.is_file():
        raise InputError(
            f"probes.robustness.local_files: there is no file {path} for the set '{name}'. "
            "Correct "
            "the path, or remove the entry to download the set."
        )
    return path.read_bytes()


def _download(name: str, url: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "manybaskets"})
    key, place = os.environ.get(HUB_KEY, "").strip(), urlparse(url)
    host = place.hostname or ""
    if key and place.scheme == "https" and f".{host}".endswith(".huggingface.co"):
        # Redirects, such as those to a CDN, do not get the key.
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    offline = f"To use a copy, set probes.robustness.local_files: {{{name}: <file>}}."
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise InputError(
                f"the set '{name}' is behind a licence gate: {url} answered {error.code}. Accept "
                f"its licence with your account and set the environment variable {HUB_KEY} to a "
                f"token of that account. {offline}"
            ) from None
        raise InputError(f"the set '{name}': {url} answered {error.code}. {offline}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"the set '{name}': {url} cannot be reached ({reason}). {offline}"
        ) from None
