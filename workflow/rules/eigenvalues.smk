"""A study of eigenvalues: a generator per seed, its labels, and a student per arm.

Needs: a config with `eigenvalues`, such as resources/studies/eigenvalues.yaml.
Makes: results/<study>/eigenvalues/seed=<seed>/{generator,labels}.{safetensors,json},
       …/seed=<seed>/<arm>/student.{safetensors,json}, and findings/ with tables and figures
"""

import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from manybaskets.simulations.eigenvalues import study
from manybaskets.stages import fingerprint
from manybaskets.dag import snakemake_patches
from manybaskets.dag.locks import begin
from manybaskets.config.base import ConfigError
from manybaskets.devices import CPU, visible
from manybaskets.files import canonical_json

try:
    study = eigenstudy.load(config, ", ".join(map(str, workflow.configfiles)))
except ConfigError as error:
    print(f"The study cannot run as it is written:\n{error}", file=sys.stderr)
    sys.exit(2)
folder = f"results/{study.study}/eigenvalues"
prefix = f"export PYTHONPATH={shlex.quote(LIBRARY)}; "
if not workflow.deployment_settings.deployment_method:
    prefix += f'export PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH"; '
shell = snakemake_patches.prefixed_shell(prefix)

GPUS = len([device for device in visible() if device != CPU])
if GPUS and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", GPUS)


onstart:
    try:
        begin(Path(f"results/{study.study}"))
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


wildcard_constraints:
    seed=r"\d+",
    arm="|".join(map(re.escape, study.eigenvalues.arms)),


def described(step, module):
    """What determines a job: its slice of the config, and its code."""

    def spec(wildcards):
        which = {
            name: wildcards[name]
            for name in ("seed", "arm")
            if name in wildcards.keys()
        }
        seed = {"seed": int(which.pop("seed"))} if "seed" in which else {}
        found = study.described(step, **seed, **which)
        return shlex.quote(canonical_json(found | {"code": fingerprint.code(module)}))

    return spec


def wanted(wildcards):
    """The tables and the figures."""
    return rules.eigen_findings.output + rules.eigen_figures.output


rule eigen_generator:
    output:
        weights=f"{folder}/seed={{seed}}/generator.safetensors",
        found=f"{folder}/seed={{seed}}/generator.json",
    log:
        f"results/{study.study}/logs/eigenvalues/seed={{seed}}/generator.log",
    conda:
        "../../envs/cpu.yaml"
    threads: study.eigenvalues.threads
    resources:
        gpu=min(GPUS, 1),
    params:
        spec=described("generator", "eigengenerators"),
        folder=subpath(output.found, parent=True),
    shell:
        "python -m manybaskets eigenvalues --step generator --spec {params.spec}"
        " --output {params.folder} > {log} 2>&1"


rule eigen_labels:
    input:
        f"{folder}/seed={{seed}}/generator.safetensors",
    output:
        labels=f"{folder}/seed={{seed}}/labels.safetensors",
        found=f"{folder}/seed={{seed}}/labels.json",
    log:
        f"results/{study.study}/logs/eigenvalues/seed={{seed}}/labels.log",
    conda:
        "../../envs/cpu.yaml"
    threads: study.eigenvalues.threads
    resources:
        gpu=min(GPUS, 1),
    params:
        spec=described("labels", "eigengenerators"),
        folder=subpath(output.found, parent=True),
    shell:
        "python -m manybaskets eigenvalues --step labels --spec {params.spec}"
        " --inputs {input} --output {params.folder} > {log} 2>&1"


rule eigen_student:
    input:
        f"{folder}/seed={{seed}}/labels.safetensors",
    output:
        weights=f"{folder}/seed={{seed}}/{{arm}}/student.safetensors",
        found=f"{folder}/seed={{seed}}/{{arm}}/student.json",
    log:
        f"results/{study.study}/logs/eigenvalues/seed={{seed}}/{{arm}}.log",
    conda:
        "../../envs/cpu.yaml"
    threads: study.eigenvalues.threads
    resources:
        gpu=min(GPUS, 1),
    params:
        spec=described("student", "eigenstudents"),
        folder=subpath(output.found, parent=True),
    shell:
        "python -m manybaskets eigenvalues --step student --spec {params.spec}"
        " --inputs {input} --output {params.folder} > {log} 2>&1"


rule eigen_findings:
    input:
        made=expand(
            f"{folder}/seed={{seed}}/{{made}}.json",
            seed=study.seeds,
            made=[
                "generator",
                "labels",
                *(f"{arm}/student" for arm in study.eigenvalues.arms),
            ],
        ),
        reference=(
            os.path.join(os.path.dirname(LIBRARY), study.eigenvalues.reference)
            if study.eigenvalues.reference
            else []
        ),
    output:
        expand(
            f"{folder}/findings/{{table}}.csv",
            table=["accuracy", "comparisons", "selections", "decoding", "ranking"],
        ),
    log:
        f"results/{study.study}/logs/eigenvalues/findings.log",
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=described("findings", "eigenfindings"),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m manybaskets eigenvalues --step findings --spec {params.spec}"
        " --inputs {input.made} --reference {input.reference}"
        " --output {params.folder} > {log} 2>&1"


rule eigen_figures:
    input:
        rules.eigen_findings.output,
    output:
        expand(
            f"{folder}/findings/{{figure}}.{{kind}}",
            figure=["arms", "decoding"],
            kind=["svg", "png"],
        ),
    log:
        f"results/{study.study}/logs/eigenvalues/figures.log",
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=described("figures", "eigenplots"),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m manybaskets eigenvalues --step figures --spec {params.spec}"
        " --output {params.folder} > {log} 2>&1"
