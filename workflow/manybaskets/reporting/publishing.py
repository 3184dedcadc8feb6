"""Publishes the adapter of a cell with its model card: to a folder, or to the hub."""

import hashlib
import tempfile
from pathlib import Path

from manybaskets.config.base import VANILLA
from manybaskets.dag import records
from manybaskets.data import hub
from manybaskets.files import UNFINISHED, InputError, read_json, write_json, write_text
from manybaskets.reporting.model_card import card
from manybaskets.reporting.published import Published, record_of

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
FILES = ("README.md", SETTINGS, WEIGHTS)
MARKER = ".manybaskets.json"  # the SHA-256 of each file of a publication, by name


def publish(published: Published, folder: Path, name: str) -> None:
    """Writes adapter and card to a new or empty folder, or over an earlier publication.

    The folder itself and other files in it stay. Raises InputError like `write`, for a folder with
    files that is not an earlier publication, and for files of one that were modified since.
    """
    _refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(UNFINISHED, ".publication.", folder) as beside:
        write(published, Path(beside), name)
        hashes = {file: _hash(Path(beside, file)) for file in FILES}
        write_json(folder / MARKER, hashes)
        for file in FILES:
            Path(beside, file).replace(folder / file)


def _refuse_foreign(folder: Path) -> None:
    """Raises InputError if publishing to a folder would mix with, or replace, other files."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise InputError(f"--output {folder}: this is not a folder. Name a folder.")
    try:
        hashes = read_json(folder / MARKER)
        is_publication = isinstance(hashes, dict)
    except (OSError, ValueError):
        hashes, is_publication = {}, False
    if not is_publication and (others := sorted(path.name for path in folder.iterdir())):
        raise InputError(
            f"--output {folder}: the folder contains {others[0]} and is not an earlier "
            "publication, so nothing is written. Name a new or empty folder."
        )
    for path in (folder / file for file in FILES):
        is_same = path.is_file() and not path.is_symlink() and _hash(path) == hashes.get(path.name)
        if (path.exists() or path.is_symlink()) and not is_same:
            raise InputError(
                f"--output {folder}: {path.name} was modified since it was published, so nothing "
                "is written. Move that file away, or name another folder."
            )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(published: Published, folder: Path, name: str) -> None:
    """Writes adapter and card to `folder`; `name` is what the card calls the adapter's place.

    Raises InputError for a cell that has no adapter, or another than its job wrote.
    """
    _check(published)
    settings = read_json(published.folder / "adapter" / SETTINGS)
    if published.base.hub and not published.base.adapter:
        settings["base_model_name_or_path"] = published.base.hub
        settings["revision"] = published.base.revision
    write_json(folder / SETTINGS, settings)
    (folder / WEIGHTS).write_bytes((published.folder / "adapter" / WEIGHTS).read_bytes())
    write_text(folder / "README.md", card(published, name))


def push(folder: Path, repo: str, private: bool) -> str:
    """Commits the folder to a repository of the hub, made if needed; the commit's address.

    Raises InputError where the hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi, constants, errors

    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=list(FILES),
            commit_message="Adapter and card of a manybaskets cell",
        )
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        advice = f"Put a token that may write to {repo} in the environment variable {hub.TOKEN}."
        if status not in (401, 403):
            advice = "Start again later."
        raise InputError(
            f"--push {repo}: {constants.ENDPOINT} answered {status}. {advice} The folder is "
            f"{folder}."
        ) from None
    except (errors.OfflineModeIsEnabled, errors.HTTPError) as error:
        raise InputError(
            f"--push {repo}: {constants.ENDPOINT} cannot be reached ({error}). The folder is "
            f"{folder}; push it from where there is a network."
        ) from None
    return str(done.commit_url)


def _check(published: Published) -> None:
    """Raises InputError where the adapter is missing, or was modified since its job wrote it."""
    cell = published.cell
    if cell.mix == VANILLA:
        raise InputError(
            f"{published.folder}: vanilla is the target as it is; there is no adapter."
        )
    if not (published.folder / "adapter" / WEIGHTS).is_file():
        raise InputError(
            f"{published.folder}/adapter: there is no {WEIGHTS}. Run the cell first: snakemake "
            f"--cores all {published.folder}/adapter"
        )
    record = record_of(published, f"train/{cell.target}/{cell.mix}/seed={cell.run}.json")
    outputs = [f"{published.folder}/adapter"]
    for file, problem in records.damage(published.root, record, outputs):
        raise InputError(
            f"{file} {problem}: it was modified after its job wrote it, so it is not published. "
            "Start snakemake again to repeat the job."
        )
