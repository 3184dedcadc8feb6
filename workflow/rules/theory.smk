"""Theory studies: closed forms and simulations of simple models, with figures.

Needs: a config with `theory`, such as resources/studies/verification.yaml
Makes: results/<study>/theory/<part>.{csv,svg,png}
"""

import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from manybaskets.stages import fingerprint
from manybaskets.simulations import theory
from manybaskets.dag import snakemake_patches
from manybaskets.dag.locks import begin
from manybaskets.config import yaml_files
from manybaskets.config.base import ConfigError
from manybaskets.files import canonical_json
from manybaskets.simulations.theory_figures import FIGURES

try:
    for file in workflow.configfiles:
        yaml_files.read(Path(file))
    study = theory.load(config, ", ".join(map(str, workflow.configfiles)))
except ConfigError as error:
    print(f"The study cannot run as it is written:\n{error}", file=sys.stderr)
    sys.exit(2)
folder = f"results/{study.study}/theory"
prefix = f"export PYTHONPATH={shlex.quote(LIBRARY)}; "
if not workflow.deployment_settings.deployment_method:
    prefix += f'export PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH"; '
shell = snakemake_patches.prefixed_shell(prefix)


onstart:
    try:
        begin(Path(f"results/{study.study}"))
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


wildcard_constraints:
    part="|".join(study.parts()),


def part_spec(wildcards):
    """Returns the spec of a part, as JSON: its settings, its seed and a hash of its code."""
    settings = getattr(study.theory, wildcards.part).model_dump(mode="json")
    spec = {"settings": settings, "seed": study.seed}
    return shlex.quote(
        canonical_json(spec | {"code": fingerprint.code("cli.people.theory")})
    )


def wanted(wildcards):
    """Returns the table of every part, and the figure of each part that has one."""
    figures = [part for part in study.parts() if part in FIGURES]
    return [f"{folder}/{part}.csv" for part in study.parts()] + [
        f"{folder}/{part}.svg" for part in figures
    ]


rule compute:
    output:
        f"{folder}/{{part}}.csv",
    log:
        f"results/{study.study}/logs/theory/{{part}}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=part_spec,
    shell:
        "python -m manybaskets theory --part {wildcards.part} --spec {params.spec}"
        " --output {output} > {log} 2>&1"


rule draw:
    input:
        f"{folder}/{{part}}.csv",
    output:
        f"{folder}/{{part}}.svg",
        f"{folder}/{{part}}.png",
    log:
        f"results/{study.study}/logs/theory/{{part}}.figure.log",
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        code=fingerprint.code("simulations.theory_figures")["source"],
        folder=subpath(output[0], parent=True),
    shell:
        "python -m manybaskets theory --part {wildcards.part} --table {input}"
        " --output {params.folder} > {log} 2>&1"
