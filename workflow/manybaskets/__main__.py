"""`python -m manybaskets <step>`: every step of the workflow, and what a person may ask for."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from manybaskets.config import ConfigError
from manybaskets.files import BadFile

COMMANDS = sorted(p.stem for p in (Path(__file__).parent / "commands").glob("[a-z]*.py"))


def main() -> int:
    """Runs one subcommand; bad input ends with a message and status 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    parser = argparse.ArgumentParser(prog="manybaskets", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="<step>")
    # Only the command that was asked for is imported: the others would cost start-up time.
    for command in [name] if name in COMMANDS else COMMANDS:
        module = importlib.import_module(f"manybaskets.commands.{command}")
        sub = subparsers.add_parser(command, help=module.HELP, description=module.HELP)
        module.arguments(sub)
        sub.set_defaults(run=module.run)
    options = parser.parse_args()
    try:
        options.run(options)
    except (BadFile, ConfigError) as error:
        print(f"manybaskets {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
