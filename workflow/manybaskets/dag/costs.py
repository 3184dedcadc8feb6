"""Estimates the cost of a job: seconds on a device, disk, tokens and judgements.

Seconds and bytes of a stage are the means of its finished jobs in this study, if there are any;
otherwise the stage computes them with the cost model.
"""

import functools
import statistics
from typing import NamedTuple

from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.invalidation import Reruns
from manybaskets.stages.cost_model import GPU_RATE, CostModel

START_OF_COPY = 1.0  # seconds until a copy of the fork server begins its work


class Estimate(NamedTuple):
    """The cost of one job. None: not known."""

    seconds: float | None
    bytes: int | None
    measured: bool


class Estimates:
    """The costs of the jobs of one study, from the records that `reruns` has read.

    Other jobs are modelled: on GPUs if this machine has any or with `on_gpus`, else on its CPU.
    """

    def __init__(self, graph: Graph, reruns: Reruns, on_gpus: bool = False) -> None:
        self.graph = graph
        self.study = graph.study
        self.model = CostModel(graph.study, on_gpus)
        self._measured = reruns.measured

    def of(self, job: Job) -> Estimate:
        """Returns the time and disk of one job; the first use of a model starts its engine."""
        if job.name in self._measured:
            return self._mean(job.name)
        cost = job.stage.cost(self.model, job.key)
        if cost.seconds is None:
            return Estimate(None, cost.size, False)
        is_copy = self.model.device == "cpu" and job.stage.imports_torch
        start = START_OF_COPY if is_copy else job.stage.start_seconds
        return Estimate(start + cost.seconds, cost.size, False)

    def devices(self, job: Job) -> int:
        """Returns the number of GPUs that a job uses at once; 1 without any."""
        return 1 if self.model.device == "cpu" else job.stage.gpus(self.study, job.key)

    def tokens(self, job: Job) -> int:
        """Returns the highest number of tokens that a job generates."""
        return job.stage.cost(self.model, job.key).tokens

    def judgements(self, job: Job) -> int:
        """Returns the number of judgements that a job generates."""
        return job.stage.cost(self.model, job.key).judgements

    @property
    def named(self) -> dict[str, int]:
        """Weights of models that are not on this machine, read from their names."""
        return self.model.named

    @property
    def basis(self) -> str:
        """The assumption behind modelled times."""
        if self.model.device == "gpu":
            return f"from FLOPs, on GPUs that make {GPU_RATE:.0e} a second"
        gigaflops = self.model.speed.wide["float32"] / 1e9
        return f"from FLOPs, on this machine's CPU ({gigaflops:.0f} GFLOP/s a core, measured once)"

    @functools.cache  # noqa: B019
    def _mean(self, name: str) -> Estimate:
        seconds, sizes = zip(*self._measured[name], strict=True)
        return Estimate(statistics.fmean(seconds), round(statistics.fmean(sizes)), True)
