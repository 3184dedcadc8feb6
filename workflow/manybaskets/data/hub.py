"""Repositories of the Hugging Face hub: fetched at a pinned revision, verified, and read again.

The client checks the size of what it downloads and nothing else; here every file is held against
the hash that the hub gave for it, whether it was just downloaded or lay in the cache. A broken
connection is taken up at the last 10 MiB; of a process that ended, whole files are kept. Fetching
works from the cache alone where HF_HUB_OFFLINE=1 is set or the hub cannot be reached.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from manybaskets.files import InputError

TOKEN = "HF_TOKEN"
_BLOCK = 1024**2


def fetch(
    repo: str,
    revision: str,
    key: str,
    patterns: Sequence[str],
    kind: str = "model",
    ignored: Sequence[str] = (),
) -> Path:
    """The folder of a repository's files in the hub's cache, each verified.

    `kind` is `model` or `dataset`; `key` names the config key in messages, for example
    `models.llama`. Raises InputError where the repository, the revision or a permission is missing,
    where nothing can be reached and the cache lacks files, and for a file with another hash, which
    is removed from the cache.
    """
    from huggingface_hub import constants, errors, snapshot_download

    try:
        folder = snapshot_download(
            repo,
            repo_type=kind,
            revision=revision,
            allow_patterns=list(patterns),
            ignore_patterns=list(ignored) or None,
        )
    except errors.GatedRepoError as error:
        raise InputError(
            f"{key}.hub: {repo} is behind a licence gate; {constants.ENDPOINT} answered "
            f"{error.response.status_code}. Accept its licence at {_page(repo, kind)} and put a "
            f"token of that account in the environment variable {TOKEN}."
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(
            f"{key}.revision: {repo} has no revision '{revision}'. Take a commit from "
            f"{_page(repo, kind)}/commits/main."
        ) from None
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{key}.hub: there is no {kind} '{repo}' at {constants.ENDPOINT} for this account "
            f"(it answered {error.response.status_code}). Mend the name, or, if it is private, put "
            f"a token that may read it in the environment variable {TOKEN}."
        ) from None
    except errors.LocalEntryNotFoundError as error:
        raise InputError(
            f"{key}.hub: {_no_network()}, and the cache {constants.HF_HUB_CACHE} has not all of "
            f"{repo} at revision '{revision}'. Fetch it where there is a network and copy the "
            f"cache, or set HF_HUB_CACHE to a cache that has it. ({_first_line(error)})"
        ) from None
    except errors.HfHubHTTPError as error:
        raise InputError(
            f"{key}.hub: {constants.ENDPOINT} answered {error.response.status_code} for {repo}. "
            f"Start again later; what was downloaded is kept. ({_first_line(error)})"
        ) from None
    except OSError as error:
        if "Consistency check failed" not in str(error):
            raise
        raise InputError(
            f"{key}.hub: the download of {repo} ended early. Start again; files that are whole are "
            f"kept. ({_first_line(error)})"
        ) from None
    found = Path(folder)
    verify(found, repo, key)
    return found


def verify(folder: Path, repo: str, key: str) -> None:
    """Holds every file of a snapshot in the hub's cache against the hash that it is called by.

    The cache names large files by the SHA-256 that the hub declares, others by git's hash. Raises
    InputError for the first file with another one, and removes its content, so that the next run
    downloads it again.
    """
    for path in sorted(place for place in folder.rglob("*") if place.is_file()):
        expected = _declared(path)
        if expected is None:
            continue
        found = _hash(path, git=len(expected) == 40)
        if found != expected:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            name = path.relative_to(folder)
            raise InputError(
                f"{key}.hub: {name} of {repo} has the hash {found}, and the hub says {expected}. "
                "It was damaged on its way or in the cache, and has been removed. Start again, and "
                "it is downloaded anew; if this comes again, what lies between here and the hub (a "
                "proxy, a mirror in HF_ENDPOINT) changes it."
            )


def license_of(folder: Path) -> str | None:
    """The licence that the card (README.md) of a repository's folder declares; None where none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    matter = re.match(r"---\s*\n(.*?)\n---\s*\n", text, re.DOTALL)
    named = re.search(r"^license:\s*(\S[^\n]*)$", matter[1], re.MULTILINE) if matter else None
    return named[1].strip().strip("'\"") if named else None


def _declared(path: Path) -> str | None:
    """The hash a file is called by; None in caches without links, which do not keep it."""
    if not path.is_symlink():
        return None
    name = Path(os.readlink(path)).name
    return name if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) else None


def _hash(path: Path, git: bool) -> str:
    """SHA-256 of the content, or the SHA-1 that git calls it by."""
    digest = hashlib.sha256()
    if git:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _page(repo: str, kind: str) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{repo}"


def _no_network() -> str:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return f"{constants.ENDPOINT} cannot be reached"


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
