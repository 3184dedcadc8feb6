"""Writes the commits of hub repositories into configs, in place of branches and tags."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from manybaskets.config import yaml_files
from manybaskets.config.pins import is_commit
from manybaskets.config.yaml_edits import text_at, with_value
from manybaskets.files import InputError, write_for_person

HELP = "Writes the commit of each hub model and dataset into a config, instead of a branch or tag."
DEFAULT = "main"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("configs", type=Path, nargs="+", metavar="CONFIG", help="config of a study")


def run(options: argparse.Namespace) -> None:
    """Resolves each branch or tag once at the hub, and rewrites the configs that have any."""
    for config in options.configs:
        raw = yaml_files.read(config)
        text = config.read_bytes().decode("utf-8")
        pinned = text
        for place in _places(raw):
            pinned = _pinned(config, pinned, place)
        if pinned == text:
            print(f"{config}: every revision is a commit.")
        else:
            write_for_person(config, pinned)


class _Place(NamedTuple):
    """Where a config names a repository, and its revision."""

    section: tuple[str, ...]
    name: str
    revision: str
    kind: str


def _places(raw: dict[str, Any]) -> list[_Place]:
    places = [
        _Place(section, "hub", "revision", "dataset")
        for section in (("dataset",), ("probes", "preference", "texts"))
    ]
    models = raw.get("models")
    for model in models if isinstance(models, dict) else ():
        section = ("models", str(model))
        places.append(_Place(section, "hub", "revision", "model"))
        places.append(_Place(section, "adapter", "adapter_revision", "model"))
        places.append(_Place(section, "gguf", "revision", "model"))
    return places


def _pinned(config: Path, text: str, place: _Place) -> str:
    """Returns the text of a config with the commit of one repository."""
    from manybaskets.data import hub

    repository = text_at(text, (*place.section, place.name))
    revision = text_at(text, (*place.section, place.revision))
    if repository is None or is_commit(revision) or (place.name == "gguf" and revision is None):
        return text
    if place.name == "gguf":
        repository = "/".join(repository.split("/")[:2])
    key = ".".join(place.section)
    commit = hub.commit_of(repository, revision or DEFAULT, f"{config}: {key}", place.kind)
    changed = with_value(text, (*place.section, place.revision), commit, place.name)
    if _commit_in(changed, place) != commit:
        raise InputError(
            f"{config}: {key}.{place.revision}: the commit cannot be written here. Write "
            f"{place.revision}: {commit}"
        )
    print(f"{key}.{place.revision}: {revision or DEFAULT} of {repository} is {commit}")
    return changed


def _commit_in(text: str, place: _Place) -> Any:
    value = yaml.safe_load(text)
    for name in (*place.section, place.revision):
        value = value.get(name) if isinstance(value, dict) else None
    return value
