"""Internals of Snakemake that the rules of a study replace, and the only imports of Snakemake.

Snakemake has no interface for another decision on which jobs run. Patches apply to the rules of a
study alone: in a workflow that uses this one as a module, all other rules keep Snakemake's own
behaviour. They are used with the versions they were tested with (`TESTED`). Any other version runs
without the faster planning, and does not run at all where results depend on a patch.
"""

import functools
import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import snakemake.api  # before its other modules, which import each other in circles
from snakemake.dag import DAG
from snakemake.jobs import Job as SnakemakeJob
from snakemake.jobs import Reason as SnakemakeReason
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.shell import shell
from snakemake.workflow import Workflow

from manybaskets.config.base import ConfigError
from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.invalidation import Reason, Reasons
from manybaskets.dag.plans import PLANS, Plan, is_owned, plans_of

TESTED = ("9.27",)


def is_tested() -> bool:
    """Returns whether the installed Snakemake is a version that the patches were tested with."""
    return any(f"{snakemake.__version__}.".startswith(f"{version}.") for version in TESTED)


class RecordReason(SnakemakeReason):  # type: ignore[misc]
    """Snakemake's reason for a job of ours: differences from its record."""

    __slots__ = ["reasons"]

    def __init__(self, reasons: Reasons) -> None:
        super().__init__()
        self.reasons = reasons

    def __bool__(self) -> bool:
        is_due = self.reasons or self.forced or self.updated_input_run
        return bool(is_due) and not self.finished

    def __str__(self) -> str:
        return "; ".join(map(str, self.reasons)) or str(super().__str__())

    def get_names(self) -> Iterator[str]:
        """Yields short names of the reasons, for Snakemake's summary of a run."""
        yield from super().get_names()
        for reason in self.reasons:
            is_key = reason.subject.endswith(":")
            yield f"{reason.subject[:-1]} changed" if is_key else reason.how


def plan_by_records(workflow: Workflow, graph: Graph) -> Plan:
    """Lets the records of a study decide which jobs of its Snakefile run; returns its plan.

    Raises ConfigError for versions of Snakemake that this was not tested with: without the patches
    Snakemake would decide by times of files, and results would silently stay out of date.
    """
    if workflow.is_main_process and not is_tested():
        raise ConfigError(
            f"snakemake {snakemake.__version__}: which jobs run is decided by the records beside "
            "the results, in a part of Snakemake that differs between versions. Tested with: "
            f"{', '.join(f'{version}.*' for version in TESTED)}. Install one of these."
        )
    root = workflow.modifier.path_modifier.replace_prefix(graph.study.root)
    if root != graph.study.root:
        raise ConfigError(
            f"module: prefix: results would be in {root}, but records and the report find them in "
            f"{graph.study.root} only. Remove prefix and replace_prefix; to keep studies apart, "
            "change `study` in the module's config, or use snakemake --directory."
        )
    plans = plans_of(workflow)
    plan = next((plan for plan in plans if plan.graph.study.root == graph.study.root), None)
    if plan is None:
        plan = Plan(workflow, graph)
        setattr(workflow, PLANS, [*plans, plan])
    elif plan.graph.study.config != graph.study.config:
        raise ConfigError(
            f"study: {graph.study.config.study}: two modules have this name and different "
            "configs, so their results would be in the same folder. Rename one of them."
        )
    plan.add_rules(workflow.modifier.rules)
    if workflow.is_main_process:
        replace_init()
        replace_update_needrun()
    return plan


def _has_only_ours(dag: DAG) -> bool:
    """Returns whether every job of a graph belongs to a study."""
    plans = plans_of(dag.workflow)
    return all(job.rule.norun or any(plan.job(job) for plan in plans) for job in dag.jobs)


def explain_options(plan: Plan) -> None:
    """Prints why options on times of files do not apply; exits if no rule is left for them."""
    workflow, name = plan.workflow, plan.graph.study.config.study
    why = f"records decide which jobs of {name} run, not times of files"
    if workflow.rerun_triggers != RerunTrigger.all():
        print(f"--rerun-triggers: {why}. It applies to other rules only.", file=sys.stderr)
    if workflow.touch:
        print(
            f"--touch: {why}: a touched result holds no more than before. See why jobs would "
            "run with manybaskets plan; undo an edit to keep what was made before it.",
            file=sys.stderr,
        )
        if all(is_owned(rule, plans_of(workflow)) for rule in workflow.rules):
            sys.exit(2)


# ---- which jobs run ----------------------------------------------------------------------------


@functools.cache
def replace_init() -> None:
    """Locks every study before its records are read.

    Snakemake calls `onstart` after it has decided which jobs run. A second run would then decide
    from records that the first one still writes. Results depend on this patch.
    """
    original = DAG.init

    async def init(dag: DAG, *args: Any, **kwargs: Any) -> None:
        for plan in plans_of(dag.workflow):
            explain_options(plan)
            plan.begin()
        await original(dag, *args, **kwargs)

    DAG.init = init


@functools.cache
def replace_update_needrun() -> None:
    """Decides from the records which jobs run.

    Snakemake compares times of files, unordered sets of params, and the text of rules; it misses
    edits of modules, reruns for a touched file, and forgets everything with `.snakemake`. Jobs that
    a person forces (-f, -F, -R) still run. Results depend on this patch.
    """
    original = DAG.update_needrun

    async def update_needrun(dag: DAG, create_inventory: bool = False) -> None:
        plans = plans_of(dag.workflow)
        levels = [[job for job in level if not dag.finished(job)] for level in dag.toposorted()]
        owners = {
            job: (plan, ours)
            for level in levels
            for job in level
            for plan in plans
            if (ours := plan.job(job))
        }
        if all(job in owners or (plans and job.rule.norun) for level in levels for job in level):
            _decide(dag, levels, owners)
        else:
            await _decide_with_others(dag, owners, original, create_inventory)
        for plan in plans:
            if plan.is_real:
                plan.reruns.refresh()

    DAG.update_needrun = update_needrun


Owners = dict[SnakemakeJob, tuple[Plan, Job]]


def _decide(dag: DAG, levels: list[list[SnakemakeJob]], owners: Owners) -> None:
    """Decides a graph in which every job belongs to a study, without looking at any file's time."""
    dag._needrun.clear()
    dag._n_until_ready.clear()
    dag._ready_jobs.clear()
    forced: set[SnakemakeJob] = set()
    for job in (job for level in levels for job in level):
        reason = dag._reason[job] = _reason(dag, job, owners)
        reason.forced = _is_forced(dag, job)
        reason.updated_input_run.update(_files_of(forced, dag.dependencies[job]))
        if reason.forced or reason.updated_input_run:
            forced.add(job)
        if reason:
            dag._needrun.add(job)
    for job in dag._needrun:
        dag._n_until_ready[job] = sum(other in dag._needrun for other in dag.dependencies[job])
    dag._len = len(dag._finished | dag._needrun)


def _reason(dag: DAG, job: SnakemakeJob, owners: Owners) -> RecordReason:
    if job in owners:
        plan, ours = owners[job]
        return RecordReason(plan.reruns.why(ours))
    is_behind = any(other in dag._needrun for other in dag.dependencies[job])
    return RecordReason((Reason("", "is remade"),) if is_behind else ())


def _is_forced(dag: DAG, job: SnakemakeJob) -> bool:
    is_rule_forced = job not in dag.omitforce and job.rule in dag.forcerules
    return is_rule_forced or not dag.forcefiles.isdisjoint(job.output)


def _files_of(jobs: set[SnakemakeJob], dependencies: Mapping[SnakemakeJob, set[str]]) -> set[str]:
    return {file for job, files in dependencies.items() if job in jobs for file in files}


async def _decide_with_others(
    dag: DAG, owners: Owners, original: Callable[..., Any], create_inventory: bool
) -> None:
    """Lets Snakemake decide a graph with other rules; our jobs have the reasons of the records.

    If a job of another rule makes one of ours run, all jobs downstream run, as in Snakemake: the
    records do not show yet whether its files will change.
    """
    for job, (plan, ours) in owners.items():
        dag._reason[job] = RecordReason(plan.reruns.why(ours))
    while True:
        with _decided_by_records(dag, owners):
            await original(dag, create_inventory)
        passing_on = {job for job in owners if job in dag._needrun and _passes_on(dag, job)}
        behind = {
            job: files
            for job in owners
            if job not in dag._needrun and (files := _files_of(passing_on, dag.dependencies[job]))
        }
        if not behind:
            return
        for job, files in behind.items():
            dag.reason(job).updated_input_run.update(files)


def _passes_on(dag: DAG, job: SnakemakeJob) -> bool:
    return bool(dag.reason(job).forced or dag.reason(job).updated_input_run)


class _Dependents:
    """The jobs downstream of a job, without ours where records decide about them."""

    def __init__(self, dag: DAG, owners: Owners) -> None:
        self._dag, self._owners, self._all = dag, owners, dag.depending

    def __getitem__(self, job: SnakemakeJob) -> Mapping[SnakemakeJob, set[str]]:
        dependents: dict[SnakemakeJob, set[str]] = self._all[job]
        if job not in self._owners or _passes_on(self._dag, job):
            return dependents
        return {other: files for other, files in dependents.items() if other not in self._owners}


@contextmanager
def _decided_by_records(dag: DAG, owners: Owners) -> Iterator[None]:
    depending = dag.depending
    dag.depending = _Dependents(dag, owners)
    try:
        yield
    finally:
        dag.depending = depending


# ---- commands ----------------------------------------------------------------------------------


def prefixed_shell(prefix: str) -> type[shell]:
    """Returns a `shell` that puts a prefix before each command, for the rules of one Snakefile.

    `shell.prefix` of Snakemake is one for all rules of a workflow, those of others included. A
    rule calls the `shell` of its Snakefile's globals, so a subclass there has the same effect.
    """
    ours: type[shell] = type("shell", (shell,), {})
    ours.prefix(prefix.replace("{", "{{").replace("}", "}}"))  # Snakemake formats it
    return ours


# ---- faster planning ---------------------------------------------------------------------------


def disable_garbage_collection(_: Plan) -> None:
    """Stops looking for garbage until jobs start.

    The graph's millions of objects all stay; Python looks through them again and again.
    """
    gc.disable()


def share_attribute_guards(_: Plan) -> None:
    """Makes one AttributeGuard per name.

    Every list of inputs, outputs or wildcards has two of these objects, with only a name in them.
    """
    from snakemake.iocontainers import AttributeGuard

    AttributeGuard.__new__ = functools.cache(_new_guard)


def _new_guard(cls: type, name: str) -> object:  # noqa: ARG001 (the key of the cache)
    return object.__new__(cls)


def skip_conda_environments(plan: Plan) -> None:
    """Skips the list of conda environments where they are not used and every job is ours.

    Snakemake expands the parameters of every job for it.
    """
    if plan.workflow.deployment_settings.deployment_method:
        return
    original = DAG.update_conda_envs

    def update_conda_envs(dag: DAG) -> None:
        if not (plans_of(dag.workflow) and _has_only_ours(dag)):
            original(dag)

    DAG.update_conda_envs = update_conda_envs


def skip_path_modifiers(plan: Plan) -> None:
    """Skips a copy of every input's path, made for prefixes and default storage, without these."""
    if plan.workflow.storage_settings.default_storage_provider is None:
        for rule in plan.workflow.rules:
            if plan.owns(rule):
                rule.input_modifier = None


def skip_unprinted_jobs(_: Plan) -> None:
    """Skips the description of our jobs in a dry run that does not print it.

    Snakemake formats every job's files, command and resources before it discards them.
    """
    original = SnakemakeJob.log_info

    def log_info(job: SnakemakeJob, *args: Any, **kwargs: Any) -> None:
        workflow = job.dag.workflow
        is_quiet = workflow.dryrun and Quietness.RULES in (workflow.output_settings.quiet or ())
        if not (is_quiet and any(each.job(job) for each in plans_of(workflow))):
            original(job, *args, **kwargs)

    SnakemakeJob.log_info = log_info


SPEEDUPS: list[Callable[[Plan], None]] = [
    disable_garbage_collection,
    share_attribute_guards,
    skip_conda_environments,
    skip_path_modifiers,
    skip_unprinted_jobs,
]


def plan_faster(plan: Plan) -> None:
    """Applies the patches that make planning of large studies faster; call it after the rules."""
    if not is_tested():
        print(
            f"snakemake {snakemake.__version__}: planning is slower than with "
            f"{', '.join(f'{version}.*' for version in TESTED)}.",
            file=sys.stderr,
        )
        return
    for speedup in SPEEDUPS:
        speedup(plan)


def start_jobs(plan: Plan) -> None:
    """Ends planning; call it when the first job is about to start.

    Objects from planning are excluded from garbage collection. For its default limit of 100 jobs
    a second, Snakemake starts another round of scheduling a second after each; every job that
    ends adds a series of rounds. Cores, or `jobs` in a cluster's profile, limit the jobs instead.
    """
    gc.freeze()
    gc.enable()
    workflow = plan.workflow
    limiter = workflow.scheduler.job_rate_limiter
    is_default = limiter and (limiter.max_jobs, limiter.timespan) == (100, 1)
    if is_default and is_tested() and _has_only_ours(workflow.dag):
        workflow.scheduler.job_rate_limiter = None
