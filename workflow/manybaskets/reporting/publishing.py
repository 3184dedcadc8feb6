"""Publishes the adapter of a cell with its model card: to a folder, or to the hub."""

from pathlib import Path

from manybaskets.config.base import VANILLA
from manybaskets.dag import records
from manybaskets.data import hub
from manybaskets.files import InputError, read_json, write_json, write_text
from manybaskets.reporting.model_card import card
from manybaskets.reporting.published import Published, record_of

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"


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
