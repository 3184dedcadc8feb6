"""Snakemake's command line, with the state of SLURM jobs polled every second.

The plugin adds 10 s to its interval after every round in which no job ended, up to 180 s: right
for a cluster that others use, and slow in a test.

    python tests/cluster/quick.py --profile workflow/profiles/slurm …
"""

import sys
from typing import Any

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

SECONDS = 1.0


def _cap(executor: Any, seconds: float) -> None:
    executor._next_seconds_between_status_checks = min(float(seconds), SECONDS)


if __name__ == "__main__":
    interval: Any = RemoteExecutor.next_seconds_between_status_checks
    RemoteExecutor.next_seconds_between_status_checks = interval.setter(_cap)
    main(sys.argv[1:])
