# manybaskets: what does the origin of training data do to a language model?
#
# Results, below results/<study>/:
#   report.html                                 the answer; open it first
#   findings/measurements.csv, contrasts.csv    every number, every comparison
#   findings/figures/                           every figure as SVG and PNG, its data as CSV
#   cells/<target>/<mix>/seed=<seed>/           one fine-tuned adapter and its measurements
#   mixes/<mix>/seed=<seed>.jsonl               training sets        responses/<source>/  synthetic text
#   verdicts/<mix>/, selections/<mix>/          scores of a verifier, and the rows that were kept
#   data/                                       human text           models/              base models
#   records/                                    spec and inputs of every result           logs/
# A config with `theory` writes only theory/: closed forms and simulations. One with `eigenvalues`
# writes only eigenvalues/: generators, students, and findings/ about them.
# The config is config.yaml or the file after --configfile; docs/config.md explains its keys.

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

# Beside this file, also when another workflow uses it as a module.
LIBRARY = os.path.join(
    workflow.current_basedir.get_path_or_uri(secret_free=True), "workflow"
)
if not os.path.isdir(os.path.join(LIBRARY, "manybaskets")):
    raise WorkflowError(
        f"{LIBRARY}: the rules need the Python package beside them, which Snakemake does not "
        "download with a Snakefile. git clone the repository, and give the path of the clone: "
        "snakefile: 'path/to/manybaskets/Snakefile'."
    )
sys.path.insert(0, LIBRARY)

if "study" not in config:

    configfile: "config.yaml"


if "theory" in config:

    include: "workflow/rules/theory.smk"

elif "eigenvalues" in config:

    include: "workflow/rules/eigenvalues.smk"

else:

    include: "workflow/rules/setup.smk"
    include: "workflow/rules/data.smk"
    include: "workflow/rules/models.smk"
    include: "workflow/rules/sources.smk"
    include: "workflow/rules/selection.smk"
    include: "workflow/rules/mixes.smk"
    include: "workflow/rules/loops.smk"
    include: "workflow/rules/training.smk"
    include: "workflow/rules/collapse.smk"
    include: "workflow/rules/robustness.smk"
    include: "workflow/rules/preference.smk"
    include: "workflow/rules/probes.smk"
    include: "workflow/rules/findings.smk"
    include: "workflow/rules/environment.smk"
    include: "workflow/rules/reruns.smk"


rule all:
    default_target: True
    input:
        wanted,
