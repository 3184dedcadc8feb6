"""The studies in a Snakemake workflow: their rules, their jobs, and which of these must run.

A workflow contains one study; one that uses this workflow as a module may contain several, beside
rules of its own. Workflows, rules and jobs are Snakemake's objects, which this module only reads.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from manybaskets.config.base import ConfigError
from manybaskets.dag import locks, slurm
from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.invalidation import Reruns

PLANS = "manybaskets_plans"  # the attribute of a workflow that lists its studies
HOOKS = ("onstart", "onsuccess", "onerror")
Hook = Callable[[], Any]


class Plan:
    """One study in a workflow: which rules and jobs are its own, and which of them must run."""

    def __init__(self, workflow: Any, graph: Graph) -> None:
        self.workflow, self.graph = workflow, graph
        self.reruns = Reruns(graph)
        self._rules: list[set[Any]] = []
        self._hooks: dict[str, Hook] = {}
        self._is_started = False

    def owns(self, rule: Any) -> bool:
        """Returns whether a rule was declared by the Snakefile of this study."""
        return any(rule in rules for rules in self._rules)

    def job(self, job: Any) -> Job | None:
        """Returns the study's job that a Snakemake job runs, None for jobs of other rules.

        Decided from its output: a module may give rules other names.
        """
        if job.rule.norun or not job.output or not self.owns(job.rule):
            return None
        return self.graph.producer(str(job.output[0]))

    def due_jobs(self) -> Iterator[Any]:
        """Yields the jobs of the study that this run starts."""
        return (job for job in self.workflow.dag.needrun_jobs() if self.job(job))

    def is_anything_due(self) -> bool:
        """Returns whether any job on the way to the report must run, or must be looked at."""
        return self.is_whole or any(self.reruns.why(job) for job in self.graph.jobs())

    def is_left_alone(self, job: Job) -> bool:
        """Returns whether Snakemake needs no inputs of a job: nothing on the way to it must run."""
        return not self.is_whole and self.reruns.is_settled(job)

    @functools.cached_property
    def is_whole(self) -> bool:
        """Whether Snakemake needs the whole graph, including jobs that need not run.

        To force, touch or show them, or since other rules may make their inputs.
        """
        workflow, settings = self.workflow, self.workflow.dag_settings
        return bool(
            (settings.forceall or settings.forcetargets or settings.forcerun)
            or workflow.executor_plugin is None  # --rulegraph, --report and the like
            or workflow.touch
            or not workflow.is_main_process
            or not all(is_owned(rule, plans_of(workflow)) for rule in workflow.rules)
        )

    @property
    def is_real(self) -> bool:
        """Whether this process runs jobs: not a dry run, a report or the like."""
        workflow = self.workflow
        return bool(workflow.executor_plugin and not workflow.dryrun and not workflow.touch)

    def add_rules(self, rules: set[Any]) -> None:
        """Adds the rules of the Snakefile that is being read, with those it still declares."""
        self._rules.append(rules)

    def add_hooks(self, hooks: Mapping[str, Hook]) -> None:
        """Runs onstart, onsuccess and onerror of the study's Snakefile even when it is a module.

        Snakemake only runs those of the main Snakefile. Theirs run too, after ours, which run
        only when a job of the study does.
        """
        if not self.workflow.modifier.is_main_snakefile():
            self._hooks = {name: hooks[name] for name in HOOKS}

    def begin(self) -> None:
        """Locks the study before its records are read; exits when another run has the lock."""
        for name, hook in self._hooks.items():
            theirs = getattr(self.workflow, f"_{name}")
            setattr(self.workflow, f"_{name}", self._before(name, hook, theirs))
        if not self.is_real:
            return
        study = self.graph.study
        try:
            locks.begin(Path(study.root))
            slurm.finish_earlier_run(study)
            locks.settle(study)
        except (ConfigError, OSError) as error:
            print(error, file=sys.stderr)
            sys.exit(1)

    def _before(self, name: str, ours: Hook, theirs: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def both(log: Any) -> None:
            if name == "onstart":
                self._is_started = any(self.due_jobs())
            if self._is_started:
                ours()
            theirs(log)

        return both


def plans_of(workflow: Any) -> list[Plan]:
    """Returns the plans of all studies in a workflow."""
    plans: list[Plan] = getattr(workflow, PLANS, [])
    return plans


def is_owned(rule: Any, plans: Iterable[Plan]) -> bool:
    """Returns whether a rule belongs to any of these studies."""
    return any(plan.owns(rule) for plan in plans)
