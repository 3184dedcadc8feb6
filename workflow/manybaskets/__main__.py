"""Entry point of `python -m manybaskets <command>`: workflow steps and commands for people."""

import sys

from manybaskets.cli import forkserver


def main() -> int:
    """Runs the command and returns its exit status.

    A workflow step runs in a fork of the run's fork server if there is one, else in this process.
    """
    if "--record" in sys.argv:
        status = forkserver.ask()
        if status is not None:
            return status
    from manybaskets.cli import main as cli_main

    return cli_main.main()


if __name__ == "__main__":
    sys.exit(main())
