"""Reads the command line of a step, or of what a person asks for, and does it."""

import argparse
import errno
import importlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from manybaskets.config.base import ConfigError
from manybaskets.data import divergence
from manybaskets.files import InputError, canonical_json
from manybaskets.study.keys import Cell, Pool

if TYPE_CHECKING:  # not every command needs the graph
    from manybaskets.dag.graph import Graph, Job

DESCRIPTION = "Every step of the workflow, and what a person may ask for."
# Faults of the machine that a person mends.
MENDS = {
    errno.ENOSPC: "Make room on that disk and start again.",
    errno.EDQUOT: "Make room within your quota and start again.",
    errno.EROFS: "Make it writable, or link results/ to another disk, and start again.",
    errno.EACCES: "Make it yours, or link results/ to another place, and start again.",
}
HERE = Path(__file__).parent
FOR_PEOPLE = {path.stem for path in (HERE / "people").glob("[a-z]*.py")}
STEPS = {path.stem for path in (HERE / "steps").glob("[a-z]*.py")}
COMMANDS = sorted(FOR_PEOPLE | STEPS)


@contextmanager
def recording(options: argparse.Namespace) -> Iterator["tuple[Graph, Job] | None"]:
    """Checks the inputs of a job of a study and records what it wrote; nothing for other calls.

    Yields the job, with the graph that it belongs to.
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
    asks_elsewhere = bool((spec.get("source") or {}).get("endpoint"))
    runs_model = job.stage.device is not Device.NONE
    reproducible = not runs_model or (on_cpu() and not asks_elsewhere)
    with at_work(root), recorded(graph, job, spec, reproducible):
        yield graph, job


def run(options: argparse.Namespace, known: "tuple[Graph, Job] | None") -> None:
    """Runs a command. What a loop would make of a model that diverged says so instead."""
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
    """A generation of a loop in words."""
    target = key.chain if isinstance(key, Pool) else key.target
    return f"generation {key.generation} of {key.mix} ({target}, seed {key.seed})"


def main() -> int:
    """Runs one subcommand; bad input ends with a message and status 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    parser = argparse.ArgumentParser(prog="manybaskets", description=DESCRIPTION)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="<step>")
    # Only the command that was asked for is imported: the others would cost start-up time.
    for command in [name] if name in COMMANDS else COMMANDS:
        is_step = command in STEPS and (command not in FOR_PEOPLE or "--spec" in sys.argv)
        package = "steps" if is_step else "people"
        module = importlib.import_module(f"manybaskets.cli.{package}.{command}")
        sub = subparsers.add_parser(command, help=module.HELP, description=module.HELP)
        module.arguments(sub)
        if "--spec" in sub._option_string_actions:
            sub.add_argument("--record", type=Path, help="where the record of the job is written")
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
        # Whoever read the output has seen enough (`| head`); nothing is left to be flushed there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in MENDS:
            raise
        place = f" ({error.filename})" if error.filename else ""
        text = f"{os.strerror(error.errno)}{place}. {MENDS[error.errno]}"
        print(f"manybaskets {options.command}: {text}", file=sys.stderr)
        return 2
    except MemoryError:
        text = "out of memory. Give the job more, or run fewer jobs at once (--cores)."
        print(f"manybaskets {options.command}: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
