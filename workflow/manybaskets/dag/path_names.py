"""Paths in a config that Snakemake would not read as they are written."""

import re
from collections.abc import Iterator

from manybaskets.config.study import StudyConfig

BRACES = re.compile(r"[{}]")


def with_braces(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Yields the key of every path with braces, which Snakemake would read as wildcards."""
    for key, path in _paths(config):
        if path and BRACES.search(path):
            yield (
                key,
                f"{path} contains a brace, which Snakemake reads as a wildcard. Rename the file or "
                "folder, or name a symbolic link to it.",
            )


def _paths(config: StudyConfig) -> Iterator[tuple[str, str | None]]:
    """Yields the paths on this machine that a config names, by key."""
    dataset, robustness = config.dataset, config.probes.robustness
    yield from ((f"dataset.{key}", getattr(dataset, key)) for key in ("file", "prompts"))
    for name, model in config.models.items():
        for key in ("path", "gguf", "chat_template"):
            yield f"models.{name}.{key}", getattr(model, key)
    for name, source in config.sources.items():
        yield f"sources.{name}.recorded", source.recorded
    if config.probes.preference and (texts := config.probes.preference.texts):
        yield "probes.preference.texts.file", texts.file
    if config.reference:
        yield "reference.table", config.reference.table
    if robustness:
        named = robustness.requests
        yield from (
            ("probes.robustness.requests", path)
            for path in ([named] if isinstance(named, str) else named)
        )
        yield "probes.robustness.human_labels", robustness.human_labels
        for name, path in robustness.local_files.items():
            yield f"probes.robustness.local_files.{name}", path
        for name, judge in robustness.judges.items():
            yield f"probes.robustness.judges.{name}.template", judge.template
