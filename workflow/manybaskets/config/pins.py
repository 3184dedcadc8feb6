"""Which commit of a hub repository a config names, and where it is written."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from manybaskets.config.dataset import Rows
from manybaskets.config.study import StudyConfig

COMMIT = re.compile(r"[0-9a-f]{40}")


class Pin(NamedTuple):
    """One repository of the hub in a config."""

    key: str
    """The key of the revision."""
    repository: str
    revision: str | None
    kind: str
    """`model` or `dataset`."""


def is_commit(revision: str | None) -> bool:
    """Returns whether a revision is the full hash of a commit."""
    return bool(COMMIT.fullmatch(revision or ""))


def pins_of(config: StudyConfig) -> Iterator[Pin]:
    """Yields the repositories that a study downloads: datasets, models, adapters, GGUF files."""
    texts = config.probes.preference.texts if config.probes.preference else None
    rows: list[tuple[str, Rows | None]] = [("dataset", config.dataset)]
    for place, section in (*rows, ("probes.preference.texts", texts)):
        if section and section.hub:
            yield Pin(f"{place}.revision", section.hub, section.revision, "dataset")
    for name, model in config.models.items():
        if model.hub:
            yield Pin(f"models.{name}.revision", model.hub, model.revision, "model")
        if model.adapter:
            key = f"models.{name}.adapter_revision"
            yield Pin(key, model.adapter, model.adapter_revision, "model")
        if model.gguf and model.revision:
            repository = "/".join(model.gguf.split("/")[:2])
            yield Pin(f"models.{name}.revision", repository, model.revision, "model")


def unpinned(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Yields the key of every revision that is not a full commit hash, and how to fix it."""
    for pin in pins_of(config):
        if not is_commit(pin.revision):
            yield (
                pin.key,
                f"'{pin.revision}' of {pin.repository} can change. Name the full hash of a commit "
                "(40 hexadecimal digits); `manybaskets pin CONFIG` writes that of a branch or tag "
                "into the config.",
            )
