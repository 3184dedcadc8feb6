"""`python -m manybaskets <step>`: every step of the workflow, and what a person may ask for."""

import sys

from manybaskets.cli import forkserver


def main() -> int:
    """Has a step done by a copy of the run's server, where there is one; else does it here."""
    if "--record" in sys.argv:
        status = forkserver.ask()
        if status is not None:
            return status
    from manybaskets.cli import main as cli_main

    return cli_main.main()


if __name__ == "__main__":
    sys.exit(main())
