"""Downloads of Hugging Face Hub repositories at a pinned revision, with verified file hashes.

`huggingface_hub` checks only the size of a download. This module compares the hash of every file,
downloaded or cached, with the hash that the hub declares. After a lost connection a download
resumes at the last 10 MiB block; after the process was killed, complete files are reused. With
HF_HUB_OFFLINE=1, or if the hub is unreachable, the files come from the cache.
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
    """Downloads a repository and returns its folder in the hub cache, with all files verified.

    `kind` is `model` or `dataset`; `key` is the config key for messages, for example
    `models.llama`. Raises InputError if the repository, the revision or a permission is missing,
    if the hub is unreachable and the cache is incomplete, or if a file has the wrong hash; such a
    file is deleted from the cache.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            repo,
            repo_type=kind,
            revision=revision,
            allow_patterns=list(patterns),
            ignore_patterns=list(ignored) or None,
        )
    except OSError as error:  # the base class of the errors of huggingface_hub
        message = _message(error, repo, revision, kind)
        if message is None:
            raise
        raise InputError(f"{key}.{message}") from None
    verify(Path(folder), repo, key)
    return Path(folder)


def commit_of(repo: str, revision: str, key: str, kind: str = "model") -> str:
    """Returns the full hash of the commit that a branch or tag of a repository is now.

    Raises InputError if the repository or revision is missing, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi, constants, errors

    try:
        return str(HfApi().repo_info(repo, revision=revision, repo_type=kind).sha)
    except errors.HFValidationError as error:
        raise InputError(f"{key}.hub: '{repo}' is not a name on the hub: {error}") from None
    except (OSError, errors.HTTPError) as error:
        message = _message(error, repo, revision, kind) if isinstance(error, OSError) else None
        if message is None:
            cause = _first_line(error) or type(error).__name__
            message = f"hub: {constants.ENDPOINT} cannot be reached ({cause}). Start again later."
        raise InputError(f"{key}.{message}") from None


def verify(folder: Path, repo: str, key: str) -> None:
    """Compares every file of a snapshot in the hub cache with the hash that the hub declares.

    The cache names large files by their SHA-256 and small files by their git hash. Raises
    InputError for the first file with another hash and deletes it, so that the next run downloads
    it again.
    """
    for path in sorted(entry for entry in folder.rglob("*") if entry.is_file()):
        expected = _declared_hash(path)
        if expected is None:
            continue
        actual = _hash(path, git=len(expected) == 40)
        if actual != expected:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            name = path.relative_to(folder)
            raise InputError(
                f"{key}.hub: {name} of {repo} has the hash {actual}, but the hub declares "
                f"{expected}. The file was damaged in transit or in the cache and was deleted. Run "
                "the study again to download it. If the error recurs, a proxy or the mirror in "
                "HF_ENDPOINT changes the file."
            )


def license_of(folder: Path) -> str | None:
    """Returns the licence that the model card (README.md) in `folder` declares, or None."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    header = re.match(r"---\s*\n(.*?)\n---\s*\n", text, re.DOTALL)
    licence = re.search(r"^license:\s*(\S[^\n]*)$", header[1], re.MULTILINE) if header else None
    return licence[1].strip().strip("'\"") if licence else None


def _message(error: OSError, repo: str, revision: str, kind: str) -> str | None:
    """Returns config key, cause and remedy of a failed download; None for unrelated errors."""
    from huggingface_hub import constants, errors

    hub, page, first_line = constants.ENDPOINT, _page(repo, kind), _first_line(error)
    if isinstance(error, errors.GatedRepoError):
        return (
            f"hub: {repo} is behind a licence gate; {hub} answered {error.response.status_code}. "
            f"Accept its licence at {page} and set the environment variable {TOKEN} to a token of "
            "that account."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"revision: {repo} has no revision '{revision}'. Choose a commit from "
            f"{page}/commits/main."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"hub: there is no {kind} '{repo}' at {hub} for this account (it answered "
            f"{error.response.status_code}). Correct the name. If the repository is private, set "
            f"the environment variable {TOKEN} to a token with read access."
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return (
            f"hub: {_no_network()}, and the cache {constants.HF_HUB_CACHE} lacks files of {repo} "
            f"at revision '{revision}'. Download them on a machine with network access and copy "
            f"the cache, or set HF_HUB_CACHE to a cache that has them. ({first_line})"
        )
    if isinstance(error, errors.HfHubHTTPError):
        return (
            f"hub: {hub} answered {error.response.status_code} for {repo}. Run the study again "
            f"later; downloaded files are reused. ({first_line})"
        )
    if "Consistency check failed" in str(error):
        return (
            f"hub: the download of {repo} is incomplete. Run the study again; complete files are "
            f"reused. ({first_line})"
        )
    return None


def _declared_hash(path: Path) -> str | None:
    """Returns the hash in the name of a cached file; None for caches without symbolic links."""
    if not path.is_symlink():
        return None
    name = Path(os.readlink(path)).name
    return name if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) else None


def _hash(path: Path, git: bool) -> str:
    """Returns the SHA-256 of the content, or its SHA-1 as a git blob."""
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
