"""Parses the command line and runs a step of the workflow or a command for users."""

import argparse
import contextlib
import errno
import importlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from manybaskets.cli import arguments
from manybaskets.config.base import ConfigError
from manybaskets.data import divergence
from manybaskets.files import InputError, canonical_json
from manybaskets.study.keys import Cell, Pool

if TYPE_CHECKING:  # not every command needs the graph
    from manybaskets.dag.graph import Graph, Job

DESCRIPTION = "Runs a step of the workflow, or a command for users."
# How to fix errors of the machine, by their number.
FIXES = {
    errno.ENOSPC: "Make room on that disk and start again.",
    errno.EDQUOT: "Make room within your quota and start again.",
    errno.EROFS: "Make it writable, or link results/ to another disk, and start again.",
    errno.EACCES: "Get permission to write it, or link results/ to another place, and start again.",
}
HERE = Path(__file__).parent
USER_COMMANDS = {path.stem for path in (HERE / "people").glob("[a-z]*.py")}
STEPS = {path.stem for path in (HERE / "steps").glob("[a-z]*.py")}
COMMANDS = sorted(USER_COMMANDS | STEPS)


@contextmanager
def recording(options: argparse.Namespace) -> Iterator["tuple[Graph, Job] | None"]:
    """Verifies the inputs of a job of a study, and writes its record when it ends.

    Yields the graph and the job; None for a call without `--record`.
    """
    if getattr(options, "record", None) is None:
        yield None
        return
    from manybaskets.dag.graph import Graph
    from manybaskets.dag.locks import at_work, running_study
    from manybaskets.dag.records import recorded
    from manybaskets.devices import on_cpu
    from manybaskets.stages.base import Device

    root = next(folder.parent for folder in options.record.parents if folder.name == "records")
    graph = Graph(running_study(root))
    job = graph.recorded(options.record)
    spec = json.loads(canonical_json(options.spec.model_dump(mode="json")))
    uses_endpoint = bool((spec.get("source") or {}).get("endpoint"))
    runs_model = job.stage.device is not Device.NONE
    reproducible = not runs_model or (on_cpu() and not uses_endpoint)
    with at_work(root), recorded(graph, job, spec, reproducible):
        yield graph, job


def run(options: argparse.Namespace, known: "tuple[Graph, Job] | None") -> None:
    """Runs a command. A job of a loop whose model diverged writes the reason as its output."""
    if known is None or not getattr((job := known[1]).key, "generation", 0):
        options.run(options)
        return
    graph = known[0]
    reason = divergence.first_reason(graph.files(job))
    if reason is None:
        try:
            options.run(options)
        except divergence.Diverged as error:
            reason = f"{_generation(job.key)}: {error}"
    if reason is not None:
        print(f"diverged: {reason}")
        for path, output in zip(graph.outputs(job), job.stage.outputs.values(), strict=True):
            divergence.mark(Path(path), reason, output.is_folder)


def _generation(key: "Cell | Pool") -> str:
    """Returns the name of a generation of a loop for messages."""
    target = key.chain if isinstance(key, Pool) else key.target
    return f"generation {key.generation} of {key.mix} ({target}, seed {key.seed})"


def main() -> int:
    """Runs one command and returns its exit status; 2 and a message for bad input."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 shows "?". A pipe that another process shares cannot seek.
        with contextlib.suppress(OSError):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    parser = argparse.ArgumentParser(prog="manybaskets", description=DESCRIPTION)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="<command>")
    # Only the command in the arguments is imported, which saves start-up time.
    for command in [name] if name in COMMANDS else COMMANDS:
        is_step = command in STEPS and (command not in USER_COMMANDS or "--spec" in sys.argv)
        package = "steps" if is_step else "people"
        module = importlib.import_module(f"manybaskets.cli.{package}.{command}")
        sub = subparsers.add_parser(command, help=module.HELP, description=module.HELP)
        module.arguments(sub)
        if "--spec" in sub._option_string_actions:
            sub.add_argument("--record", type=Path, help="record of the job to write")
        if is_step:
            arguments.describe_paths(sub)
        sub.set_defaults(run=module.run)
    options = parser.parse_args()
    try:
        with recording(options) as known:
            run(options, known)
        sys.stdout.flush()
    except (InputError, ConfigError, divergence.Diverged) as error:
        print(f"manybaskets {options.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        if "--spec" in sys.argv:
            raise
        # The reader of the output has closed it (`| head`); the rest is discarded.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in FIXES:
            raise
        place = f" ({error.filename})" if error.filename else ""
        text = f"{os.strerror(error.errno)}{place}. {FIXES[error.errno]}"
        print(f"manybaskets {options.command}: {text}", file=sys.stderr)
        return 2
    except MemoryError:
        text = "out of memory. Give the job more memory, or run fewer jobs at once (--cores)."
        print(f"manybaskets {options.command}: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
