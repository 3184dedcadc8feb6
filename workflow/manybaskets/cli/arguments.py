"""Options that the commands of steps share."""

import argparse
from textwrap import wrap

from manybaskets.stages.base import Spec


def spec_argument(parser: argparse.ArgumentParser, spec: type[Spec]) -> None:
    """Adds `--spec`, which parses a job's spec from JSON; the help lists its fields."""
    parser.add_argument(
        "--spec", type=spec.parse, required=True, metavar="JSON", help="the spec of the job"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    lines = [f"fields of the spec: {(spec.__doc__ or '').strip()}"]
    for name, field in spec.model_fields.items():
        kind = getattr(field.annotation, "__name__", str(field.annotation))
        lines.append(f"  {name} ({kind})" + ("" if field.is_required() else ", optional"))
        lines += wrap(
            field.description or "", 84, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    parser.epilog = "\n".join(lines)
