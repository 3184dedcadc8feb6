"""Files of rows that a study names by URL: downloaded once, with a verified SHA-256.

The URL should contain a commit, so that it keeps its content. A local copy must have the same hash.
"""

import hashlib
import re
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlparse

from manybaskets.files import InputError, whole_file

TIMEOUT_SECONDS = 60
BLOCK = 1024**2


def name_of(url: str, sha256: str) -> str:
    """Returns a name for the file of a URL: its hash and its last part, with its extensions."""
    last = PurePosixPath(unquote(urlparse(url).path)).name
    return f"{sha256[:12]}-{re.sub(r'[^A-Za-z0-9._-]', '_', last)}"


def download(url: str, sha256: str, output: Path) -> None:
    """Writes the file of a URL to `output`.

    Raises InputError if the URL cannot be reached or the content has another hash.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "manybaskets"})
    with whole_file(output) as beside:
        try:
            with (
                urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response,
                beside.open("wb") as file,
            ):
                actual = _copied(response, file)
        except urllib.error.HTTPError as error:
            raise InputError(f"{url} answered {error.code}. {_advice()}") from None
        except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise InputError(f"{url} cannot be reached ({reason}). {_advice()}") from None
        _compare(actual, sha256, url)


def check_copy(path: Path, sha256: str) -> None:
    """Raises InputError if the local copy of a file is missing or has another hash."""
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{path}: this local copy cannot be read ({error.strerror}). Correct the path, or "
            "remove the key to download the file."
        ) from None
    _compare(actual, sha256, str(path))


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    """Copies bytes and returns their SHA-256."""
    digest = hashlib.sha256()
    while block := source.read(BLOCK):
        digest.update(block)
        target.write(block)
    return digest.hexdigest()


def _compare(actual: str, expected: str, origin: str) -> None:
    if actual != expected:
        raise InputError(
            f"{origin} has the SHA-256 {actual}, expected {expected}. It is another version, or "
            "damaged. Use the declared version, or set sha256 to that of this one."
        )


def _advice() -> str:
    return (
        "Check the URL and the network. To use a local copy, set its path beside url (dataset: "
        "file; source: recorded)."
    )
