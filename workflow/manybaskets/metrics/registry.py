"""Metrics: one object for each, defined beside its function, and the registry that collects them.

A file in this folder that defines a metric registers it; nothing else has to be edited. So do a
question of the preference probe and a probe of one file that define their metrics. Metrics
that a probe computes from more than one sample of text are defined in `<probe>_measures`.
"""

import functools
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal

from manybaskets import plugins

if TYPE_CHECKING:  # planning imports this module, and needs no numpy
    import numpy as np
    from numpy.typing import NDArray

    from manybaskets.metrics.sample import Sample

FOLDERS = ("metrics", "probes.preference.text_questions", "probes.of_responses")
Better = Literal["higher", "lower", "nearest 0", "nearest 0.5", "nearest 1", "neither"]


@dataclass(frozen=True)
class Metric:
    """A metric: its name in all tables, its label in figures and reports, and its meaning.

    `definition` is one sentence with the source, `better` the direction of a better model, `unit`
    the unit of the value. `reading` is a short help for reading an axis. `label_on` and
    `reading_on` replace label and reading where these depend on the item set.
    """

    name: str
    label: str
    definition: str
    better: Better
    unit: str
    _: KW_ONLY
    reading: str = ""
    label_on: Callable[[str], str] | None = None
    reading_on: Callable[[str], str] | None = None

    def label_of(self, item_set: str) -> str:
        """The label of the metric on an item set, without item sets that need not be named."""
        if self.label_on is not None:
            return self.label_on(item_set)
        implied = ("test", "samples", "pairs", "controls")
        return self.label if item_set in implied else f"{self.label}, {item_set}"

    @property
    def neutral(self) -> float | None:
        """The best value of a metric that is better nearer to it, such as 0 of a bias."""
        return float(self.better[8:]) if self.better.startswith("nearest ") else None

    def reading_of(self, item_set: str) -> str:
        """The help for reading an axis with this metric on an item set; may be empty."""
        return self.reading if self.reading_on is None else self.reading_on(item_set)


@dataclass(frozen=True)
class MetricOfWords(Metric):
    """A metric of a sample of tokenised responses; the collapse probe computes it.

    `compute` takes a Sample and returns the value; it raises ValueError with a reason where the
    metric is undefined for the sample.
    """

    compute: "Callable[[Sample], float]"


@dataclass(frozen=True)
class MetricOfEmbeddings(Metric):
    """A metric of the sentence embeddings of a sample; the collapse probe computes it.

    `compute` takes rows of unit length, shape (texts, dimensions), and returns the value; it
    raises ValueError with a reason where the metric is undefined for the sample.
    """

    compute: "Callable[[NDArray[np.float64]], float]"


@functools.cache
def metrics() -> dict[str, Metric]:
    """All metrics by name, in the order of files and of definitions in each.

    Raises ValueError where two metrics have the same name.
    """
    by_name: dict[str, Metric] = {}
    modules = [module for folder in FOLDERS for module in plugins.modules(folder).values()]
    for module in modules:
        for metric in vars(module).values():
            if not isinstance(metric, Metric):
                continue
            if by_name.setdefault(metric.name, metric) is not metric:
                raise ValueError(
                    f"{module.__file__}: there is another metric called '{metric.name}'. Give "
                    "each metric its own name."
                )
    return by_name


def metric(name: str) -> Metric:
    """The metric of this name; raises ValueError for an unknown one."""
    try:
        return metrics()[name]
    except KeyError:
        raise ValueError(
            f"the metric '{name}' is not defined. Define it as a Metric in a file of "
            "workflow/manybaskets/metrics."
        ) from None


def metrics_of_words() -> list[MetricOfWords]:
    """The metrics that are functions of a sample of tokenised responses."""
    return [metric for metric in metrics().values() if isinstance(metric, MetricOfWords)]


def metrics_of_embeddings() -> list[MetricOfEmbeddings]:
    """The metrics that are functions of the embeddings of a sample of responses."""
    return [metric for metric in metrics().values() if isinstance(metric, MetricOfEmbeddings)]
