"""Which jobs run: those of which the records beside the results say so.

Comes after the rules.
"""

import sys

from manybaskets.config.base import ConfigError
from manybaskets.dag import snakemake_patches

try:
    plan = snakemake_patches.plan_by_records(workflow, graph)
except ConfigError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
plan.add_hooks(globals())
snakemake_patches.plan_faster(plan)


def is_left_alone(job):
    """Whether Snakemake need not know what a job was made from: it holds, and so does all that."""
    return plan.is_left_alone(job)


def wanted(wildcards):
    """The report; nothing when every result holds, which spares Snakemake the whole graph."""
    return study.path("report.html") if plan.is_anything_due() else []
