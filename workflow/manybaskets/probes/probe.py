"""The interface of a probe that measures the responses which the collapse probe samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manybaskets import plugins
from manybaskets.metrics.measurement import Measurement

FOLDER = "probes.of_responses"
Setting = str | float | bool
Row = Mapping[str, Any]
"""A response to a test prompt: id, prompt, response, state, and the human response as `human`."""


@dataclass(frozen=True)
class Probe:
    """A probe defined in one file.

    `measure` takes the rows of a cell and the settings, and returns measurements whose `probe` is
    the name of the file. `settings` has the defaults of the keys that a study may set.
    """

    title: str
    question: str
    measure: Callable[[Sequence[Row], Mapping[str, Setting]], list[Measurement]]
    settings: Mapping[str, Setting] = field(default_factory=dict)


def probe(name: str) -> Probe:
    """Returns the probe in the file of this name. Raises KeyError for an unknown name."""
    plugin: Probe = plugins.module(FOLDER, name).PROBE
    return plugin
