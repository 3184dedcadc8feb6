"""Checks across the keys of a config: names that do not exist, values that contradict each other.

Every check yields the key and a text with the problem and how to fix it.
"""

from collections.abc import Iterator

from manybaskets.config.consistency import hub_names, mixes, names, probes, training
from manybaskets.config.study import StudyConfig


def contradictions(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Every problem that no single key shows."""
    yield from names.bad_names(config)
    yield from hub_names.bad_hub_names(config)
    yield from names.bad_sources(config)
    yield from names.bad_references(config)
    yield from mixes.bad_rows(config)
    yield from mixes.bad_mixes(config)
    yield from training.bad_training(config)
    yield from probes.bad_probes(config)
    yield from names.bad_contrasts(config)
