"""Checks the study and makes `study` known to the rules.

Needs: the config.  Makes: nothing.
"""

import os
import shlex
import sys

from manybaskets.cli import forkserver
from manybaskets.dag import slurm, snakemake_patches
from manybaskets.dag.preflight import after_failure, checked_study, notes
from manybaskets.config.base import ConfigError
from manybaskets.devices import CPU, on_cpu, visible
from manybaskets.dag.graph import EXTENT, FOLDERS, OUTPUTS, WILDCARDS, Graph, Job
from manybaskets.dag.progress import watch

try:
    study = checked_study(config, [str(path) for path in workflow.configfiles])
except ConfigError as error:
    print(f"The study cannot run as it is written:\n{error}", file=sys.stderr)
    sys.exit(2)
graph = Graph(study)

# What every job finds in its environment, wherever it runs. Engines end when this process does;
# threads that wait for work must not keep a core from other jobs.
exports = {
    "PYTHONPATH": LIBRARY,
    "MANYBASKETS_RUN_PID": str(os.getpid()),
    "MANYBASKETS_ENGINE": study.engine_environment(),
    "MANYBASKETS_ENDPOINTS": study.endpoint_environment(),
    "OMP_WAIT_POLICY": "PASSIVE",
}
# Without conda, jobs run in the interpreter that Snakemake itself runs in.
is_own_interpreter = not workflow.deployment_settings.deployment_method
can_fork = is_own_interpreter and on_cpu() and sys.platform == "linux"
if can_fork and forkserver.VARIABLE not in os.environ:
    exports[forkserver.VARIABLE] = str(forkserver.place())
prefix = "".join(
    f"export {name}={shlex.quote(value)}; " for name, value in exports.items()
)
if is_own_interpreter:
    prefix += f'export PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH"; '
shell = snakemake_patches.prefixed_shell(prefix)

# Jobs that train or score hold a GPU each, where there are any. A run that was given no limit gets
# what this machine has: without one Snakemake would start them all at once.
GPUS = len([device for device in visible() if device != CPU])
GPUS_PER_JOB = min(GPUS, 1)
if GPUS and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", GPUS)
if GPUS and workflow.is_main_process:
    # Snakemake would run a job that wants more with what there is, and say nothing.
    given = min(GPUS, workflow.global_resources["gpu"].value)
    spread = {
        "engine": study.config.engine.most_devices,
        "training": study.config.training.most_devices,
    }
    for section, wanted in spread.items():
        if wanted > given:
            print(
                f"{section}.devices: a model is to be spread over {wanted} GPUs, but this run has "
                f"{given} (of {GPUS}). Lower {section}.devices, or give the run more: --resources "
                f"gpu={wanted}.",
                file=sys.stderr,
            )
            sys.exit(2)


onstart:
    if workflow.executor_plugin.name == "slurm":
        slurm.check(job.resources for job in plan.due_jobs() if not job.is_local)
        slurm.remember(study, workflow.scheduler._executor.run_uuid)
    elif forkserver.VARIABLE in exports:
        forkserver.start(forkserver.place(), exports)
    snakemake_patches.start_jobs(plan)
    for note in notes(study):
        print(note, file=sys.stderr)
    watch(study)


onerror:
    print(after_failure(study), file=sys.stderr)


onsuccess:
    slurm.forget(study)


wildcard_constraints:
    target="[A-Za-z0-9._-]+",
    mix="[A-Za-z0-9._-]+",
    model="[A-Za-z0-9._-]+",
    source="[A-Za-z0-9._-]+",
    seed=r"\d+(?:/generation=\d+)?",  # in a loop, the generation goes with it
    set="[A-Za-z0-9._-]+",
    judge="[A-Za-z0-9._-]+",


def needs(stage):
    """The inputs of a rule, by name; a list of one as its file, which takes less memory."""

    def inputs(wildcards):
        if is_left_alone(identified(stage, wildcards)):
            return {}
        named = graph.inputs(stage, **dict(wildcards.items()))
        return {
            name: files[0] if isinstance(files, list) and len(files) == 1 else files
            for name, files in named.items()
        }

    return inputs


def makes(stage):
    """The outputs of a rule, by name; what a job extends is still there when it starts."""
    return {name: made(stage, name, path) for name, path in OUTPUTS[stage].items()}


def shown(stage, **categories):
    """The same, with those that `snakemake --report` shows, under their categories."""
    outputs = makes(stage)
    for name, category in categories.items():
        caption = f"../report/{name if (stage, name) not in FOLDERS else stage}.rst"
        patterns = ["{name}.svg"] if (stage, name) in FOLDERS else []
        outputs[name] = report(
            outputs[name], caption=caption, category=category, patterns=patterns
        )
    return outputs


def made(stage, name, path):
    """One output, flagged as what it is."""
    if (stage, name) in FOLDERS:
        return directory(study.path(path))
    return update(study.path(path)) if stage in EXTENT else study.path(path)


def identified(stage, wildcards):
    """The job of a stage with these wildcards."""
    return Job(stage, tuple(wildcards[name] for name in WILDCARDS[stage]))


def job(stage):
    """What a job is told of itself: its description, and where its record goes."""
    return lambda wildcards: graph.arguments(identified(stage, wildcards))


def priority(stage):
    """When a job runs, against others that are ready."""
    return lambda wildcards: graph.priority(identified(stage, wildcards))


def trained(wildcards):
    """The training settings of a cell's target."""
    return study.config.training.of_target(wildcards.target)


def training_threads(wildcards):
    """Threads of all processes together; without a GPU, devices are processes."""
    settings = trained(wildcards)
    return settings.threads * (1 if GPUS else settings.devices)


def is_scored_in_job(mix):
    """Whether a verifier holds a model itself; judges are served by an engine."""
    return study.selection(mix).verifier.model is not None
