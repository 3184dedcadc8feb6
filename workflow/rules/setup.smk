"""Checks the study and makes `study` known to the rules.

Needs: the config.  Makes: nothing.
"""

import os
import sys

sys.path.insert(0, os.path.join(workflow.basedir, "workflow"))
# Jobs find the package wherever they run, and the interpreter that Snakemake itself runs in.
place = "" if workflow.deployment_settings.deployment_method else os.path.dirname(sys.executable)
shell.prefix(
    f"export PYTHONPATH='{workflow.basedir}/workflow' PATH='{place}'${{PATH:+:$PATH}}; "
)
# Engines end when this process does.
os.environ["MANYBASKETS_RUN_PID"] = str(os.getpid())
# Threads that wait for work must not keep a core from the other jobs.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from manybaskets.checks import checked_study
from manybaskets.config import ConfigError

try:
    study = checked_study(config, [str(path) for path in workflow.configfiles])
except ConfigError as error:
    print(f"The study cannot run as it is written:\n{error}", file=sys.stderr)
    sys.exit(2)

os.environ["MANYBASKETS_ENGINE"] = study.engine_environment()
os.environ["MANYBASKETS_ENDPOINTS"] = study.endpoint_environment()


wildcard_constraints:
    target="[A-Za-z0-9._-]+",
    mix="[A-Za-z0-9._-]+",
    model="[A-Za-z0-9._-]+",
    source="[A-Za-z0-9._-]+",
    seed=r"\d+",


def spec(stage, *names):
    """The description of a job, from the wildcards that the stage depends on."""
    return lambda wildcards: study.spec(stage, **{name: wildcards[name] for name in names})


CELL = study.path("cells/{target}/{mix}/seed={seed}")
