"""Which jobs run: those of which the records beside the results say so.

Snakemake's own comparison (times of files, sets of params, code of rules) misses edits and reruns
for nothing, and forgets everything with `.snakemake`. It is replaced here, in the process that
plans; what a person forces (-f, -F, -R) is forced as ever.
"""

import functools
import sys
from pathlib import Path

import snakemake.jobs
from snakemake.dag import DAG

from manybaskets.dag.invalidation import Reason, Reruns
from manybaskets.dag.locks import begin, settle

reruns = Reruns(graph)


class Because(snakemake.jobs.Reason):
    """Snakemake's reason of a job, in our words."""

    __slots__ = ["said"]

    def __init__(self, said):
        super().__init__()
        self.said = said

    def __bool__(self):
        return bool(self.said) or super().__bool__()

    def __str__(self):
        return "; ".join(map(str, self.said)) or super().__str__()

    def get_names(self):
        yield from super().get_names()
        for reason in self.said:
            key = reason.subject.endswith(":")
            yield f"{reason.subject[:-1]} changed" if key else reason.how


def is_real():
    """Whether this process runs jobs, and does not merely say which."""
    return workflow.executor_plugin and not workflow.dryrun and not workflow.touch


@functools.cache
def is_all_wanted():
    """Whether the whole graph is, also of what need not run: to be forced, touched or shown."""
    asked = workflow.dag_settings
    is_forced = asked.forceall or asked.forcetargets or asked.forcerun
    only_shows = workflow.executor_plugin is None  # --rulegraph, --report and the like
    return bool(
        is_forced or only_shows or workflow.touch or not workflow.is_main_process
    )


def is_left_alone(job):
    """Whether Snakemake need not know what a job was made from: it holds, and so does all that."""
    return not is_all_wanted() and reruns.is_settled(job)


async def init(dag, *args, init=DAG.init, **kwargs):
    """Before the records are read for a run: nobody else writes them from here on."""
    if is_real():
        try:
            begin(Path(study.root))
            slurm.finish_earlier_run(study)
            settle(study)
        except (ConfigError, OSError) as error:
            print(error, file=sys.stderr)
            sys.exit(1)
    await init(dag, *args, **kwargs)


def wanted(wildcards):
    """The report; nothing when every result holds, which spares Snakemake the whole graph."""
    if is_all_wanted() or any(reruns.why(job) for job in graph.jobs()):
        return study.path("report.html")
    return []


async def update_needrun(dag, create_inventory=False):
    """Snakemake's decision, taken from the records."""
    dag._needrun.clear()
    dag._n_until_ready.clear()
    dag._ready_jobs.clear()
    forced = set()
    for level in dag.toposorted():
        for job in level:
            if dag.finished(job):
                continue
            upstream = {
                file
                for other, files in dag.dependencies[job].items()
                if other in forced
                for file in files
            }
            is_forced = (
                job not in dag.omitforce
                and job.rule in dag.forcerules
                or not dag.forcefiles.isdisjoint(job.output)
            )
            if is_forced or upstream:
                forced.add(job)
                dag.reason(job).forced = is_forced
                dag.reason(job).updated_input_run.update(upstream)
            elif job.rule.norun:
                ran = [o for o in dag.dependencies[job] if o in dag._needrun]
                dag._reason[job] = Because((Reason("", "is made anew"),) if ran else ())
            else:
                why = reruns.why(identified(job.rule.name, job.wildcards_dict))
                dag._reason[job] = Because(why)
            if dag.reason(job):
                dag._needrun.add(job)
    for job in dag._needrun:
        dag._n_until_ready[job] = sum(
            other in dag._needrun for other in dag.dependencies[job]
        )
    dag._len = len(dag._finished | dag._needrun)
    if is_real():
        reruns.refresh()


if workflow.is_main_process:
    DAG.init = init
    DAG.update_needrun = update_needrun
