"""Decides which jobs run, from the records beside the results.

Included after the rules.
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
    """Returns whether a job and all jobs upstream are up to date, so that its inputs are left out."""
    return plan.is_left_alone(job)


def wanted(wildcards):
    """Returns the report; nothing if every result is up to date, which saves the whole graph."""
    return study.path("report.html") if plan.is_anything_due() else []
