"""Checks the study, and defines `study` and the functions that the rules use.

Needs: the config.  Makes: nothing.
"""

import os
import re
import shlex
import sys
from pathlib import Path

from manybaskets.cli import forkserver
from manybaskets.dag import slurm, snakemake_patches
from manybaskets.dag.preflight import after_failure, checked_study, notes
from manybaskets.config.base import ConfigError
from manybaskets.devices import CPU, on_cpu, visible
from manybaskets.dag.graph import Graph
from manybaskets.dag.progress import watch
from manybaskets.processes import PrivateDirectoryError
from manybaskets.stages.registry import STAGES
from manybaskets.study import keys
from manybaskets.study.environment import endpoint_environment, engine_environment

try:
    study = checked_study(config, [str(path) for path in workflow.configfiles])
except ConfigError as error:
    print(f"The study cannot run as it is written:\n{error}", file=sys.stderr)
    sys.exit(2)
if set("{}") & set(LIBRARY + sys.executable):
    print(
        f"{LIBRARY}: Snakemake reads the braces in the path of this checkout, or of its Python "
        f"({sys.executable}), as wildcards. Move them to a path without braces.",
        file=sys.stderr,
    )
    sys.exit(2)
graph = Graph(study)

# The environment of every job. Engines end when this process does; threads that wait for work
# must not occupy a core.
exports = {
    "PYTHONPATH": LIBRARY,
    "MANYBASKETS_RUN_PID": str(os.getpid()),
    "MANYBASKETS_ENGINE": engine_environment(study),
    "MANYBASKETS_ENDPOINTS": endpoint_environment(study),
    "OMP_WAIT_POLICY": "PASSIVE",
}
# Without conda, jobs run in the interpreter that Snakemake itself runs in.
is_own_interpreter = not workflow.deployment_settings.deployment_method
can_fork = is_own_interpreter and on_cpu() and sys.platform == "linux"
if can_fork and forkserver.VARIABLE not in os.environ:
    try:
        exports[forkserver.VARIABLE] = str(forkserver.place())
    except PrivateDirectoryError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
prefix = "".join(
    f"export {name}={shlex.quote(value)}; " for name, value in exports.items()
)
if is_own_interpreter:
    prefix += f'export PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH"; '
shell = snakemake_patches.prefixed_shell(prefix)

# Jobs that train or score use one GPU each, if there are any. The default limit is the number of
# GPUs of this machine: without a limit, Snakemake would start all jobs at once.
GPUS = len([device for device in visible() if device != CPU])
GPUS_PER_JOB = min(GPUS, 1)
if GPUS and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", GPUS)
if GPUS and workflow.is_main_process:
    # Snakemake would run a job that needs more GPUs with fewer, without a message.
    given = min(GPUS, workflow.global_resources["gpu"].value)
    spread = {
        "engine": study.config.engine.most_devices,
        "training": study.config.training.most_devices,
    }
    for section, wanted in spread.items():
        if wanted > given:
            print(
                f"{section}.devices: the config spreads a model over {wanted} GPUs, but this run "
                f"has {given} (of {GPUS}). Lower {section}.devices, or give the run more: "
                f"--resources gpu={wanted}.",
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
    target=keys.NAME,
    mix=keys.NAME,
    model=keys.NAME,
    source=keys.NAME,
    set=keys.NAME,
    file=keys.NAME,
    judge=keys.NAME,
    seed=keys.SEED,
    generation=keys.REGEX["generation"],  # empty outside loops
    chain=keys.REGEX["chain"],  # empty for a mix that is not a loop


def needs(stage):
    """Returns the input function of a rule; lists of one file become strings to save memory."""

    def inputs(wildcards):
        job = graph.job(stage, wildcards)
        if is_left_alone(job):
            return {}
        return {
            name: files[0] if isinstance(files, list) and len(files) == 1 else files
            for name, files in graph.inputs(job).items()
        }

    return inputs


def makes(stage):
    """Returns the outputs of a rule, by name."""
    return {
        name: output_of(STAGES[stage], output)
        for name, output in STAGES[stage].outputs.items()
    }


def pattern_of(*parts):
    """Returns a path below the study's results; only studies with loops have their wildcards."""
    path = study.path(*parts)
    return path if study.loops else keys.without_loops(path)


def output_of(stage, output):
    """Returns an output for Snakemake; a stage that extends its rows updates it in place."""
    path = pattern_of(output.path)
    for name, values in stage.allowed(study).items():
        path = path.replace(
            f"{{{name}}}", f"{{{name},{'|'.join(map(re.escape, values))}}}"
        )
    if output.is_folder:
        return directory(path)
    return update(path) if stage.extent else path


def shown(stage, **categories):
    """Returns the outputs of a rule, with the categories of those in `snakemake --report`."""
    outputs = makes(stage)
    for name, category in categories.items():
        is_folder = STAGES[stage].outputs[name].is_folder
        outputs[name] = report(
            outputs[name],
            caption=f"../report/{stage if is_folder else name}.rst",
            category=category,
            patterns=["{name}.svg"] if is_folder else [],
        )
    return outputs


def log_of(stage):
    """Returns the log of a rule."""
    place = keys.PATTERNS[STAGES[stage].key]
    return pattern_of("logs", f"{stage}/{place}.log" if place else f"{stage}.log")


def job(stage):
    """Returns a function for the `--spec` and `--record` arguments of a job that starts."""
    return lambda wildcards: graph.rule_arguments(
        graph.job(stage, wildcards), plan.is_real
    )


def priority(stage):
    """Returns a function for the priority of a job among those that are ready."""
    return lambda wildcards: graph.priority(graph.job(stage, wildcards))


def trained(wildcards):
    """Returns the training settings of a cell's target."""
    return study.config.training.of_target(wildcards.target)


def training_threads(wildcards):
    """Returns the threads of all processes together; without a GPU, devices are processes."""
    settings = trained(wildcards)
    return settings.threads * (1 if GPUS else settings.devices)


def is_scored_in_job(mix):
    """Returns whether the job itself loads the verifier's model; an engine serves judges."""
    return study.selection(mix).verifier.model is not None
