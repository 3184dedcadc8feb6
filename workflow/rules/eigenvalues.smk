"""Eigenvalue studies: a generator per seed, its labels, and a student per arm.

Needs: a config with `eigenvalues`, such as resources/studies/eigenvalues.yaml
Makes: results/<study>/eigenvalues/seed=<seed>/{generator,labels}.{safetensors,json},
       …/seed=<seed>/<arm>/student.{safetensors,json}, and findings/ with tables and figures
"""

import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from manybaskets.simulations.eigenvalues import study as eigenvalue_study
from manybaskets.stages import fingerprint
from manybaskets.dag import snakemake_patches
from manybaskets.dag.locks import begin
from manybaskets.config import yaml_files
from manybaskets.config.base import ConfigError
from manybaskets.devices import CPU, visible
from manybaskets.files import canonical_json

try:
    for file in workflow.configfiles:
        yaml_files.read(Path(file))
    study = eigenvalue_study.load(config, ", ".join(map(str, workflow.configfiles)))
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


def spec_of(step, module):
    """Returns a function for the spec of a job, as JSON: its settings and a hash of its code."""

    def spec(wildcards):
        values = {
            name: wildcards[name]
            for name in ("seed", "arm")
            if name in wildcards.keys()
        }
        seed = {"seed": int(values.pop("seed"))} if "seed" in values else {}
        settings = study.job_spec(step, **seed, **values)
        code = fingerprint.code(f"simulations.eigenvalues.{module}")
        return shlex.quote(canonical_json(settings | {"code": code}))

    return spec


def wanted(wildcards):
    """Returns the tables and figures of the study."""
    return rules.eigen_findings.output + rules.eigen_figures.output


rule eigen_generator:
    output:
        weights=f"{folder}/seed={{seed}}/generator.safetensors",
        summary=f"{folder}/seed={{seed}}/generator.json",
    log:
        f"results/{study.study}/logs/eigenvalues/seed={{seed}}/generator.log",
    conda:
        "../../envs/cpu.yaml"
    threads: study.eigenvalues.threads
    resources:
        gpu=min(GPUS, 1),
    params:
        spec=spec_of("generator", "generators"),
        folder=subpath(output.summary, parent=True),
    shell:
        "python -m manybaskets eigenvalues --step generator --spec {params.spec}"
        " --output {params.folder} > {log} 2>&1"


rule eigen_labels:
    input:
        f"{folder}/seed={{seed}}/generator.safetensors",
    output:
        labels=f"{folder}/seed={{seed}}/labels.safetensors",
        summary=f"{folder}/seed={{seed}}/labels.json",
    log:
        f"results/{study.study}/logs/eigenvalues/seed={{seed}}/labels.log",
    conda:
        "../../envs/cpu.yaml"
    threads: study.eigenvalues.threads
    resources:
        gpu=min(GPUS, 1),
    params:
        spec=spec_of("labels", "generators"),
        folder=subpath(output.summary, parent=True),
    shell:
        "python -m manybaskets eigenvalues --step labels --spec {params.spec}"
        " --inputs {input} --output {params.folder} > {log} 2>&1"


rule eigen_student:
    input:
        f"{folder}/seed={{seed}}/labels.safetensors",
    output:
        weights=f"{folder}/seed={{seed}}/{{arm}}/student.safetensors",
        summary=f"{folder}/seed={{seed}}/{{arm}}/student.json",
    log:
        f"results/{study.study}/logs/eigenvalues/seed={{seed}}/{{arm}}.log",
    conda:
        "../../envs/cpu.yaml"
    threads: study.eigenvalues.threads
    resources:
        gpu=min(GPUS, 1),
    params:
        spec=spec_of("student", "students"),
        folder=subpath(output.summary, parent=True),
    shell:
        "python -m manybaskets eigenvalues --step student --spec {params.spec}"
        " --inputs {input} --output {params.folder} > {log} 2>&1"


rule eigen_findings:
    input:
        summaries=expand(
            f"{folder}/seed={{seed}}/{{job}}.json",
            seed=study.seeds,
            job=[
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
        spec=spec_of("findings", "findings"),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m manybaskets eigenvalues --step findings --spec {params.spec}"
        " --inputs {input.summaries} --reference {input.reference}"
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
        spec=spec_of("figures", "figures"),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m manybaskets eigenvalues --step figures --spec {params.spec}"
        " --output {params.folder} > {log} 2>&1"
