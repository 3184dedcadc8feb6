"""The jobs of a study: which job makes a file, which files a job reads, and in which order.

The rules take their inputs and outputs from the stages; `records`, `invalidation`, `plan` and
`status` take the graph from here, without running Snakemake.
"""

import re
import shlex
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from manybaskets.files import write_private
from manybaskets.stages.base import Inputs, Stage
from manybaskets.stages.registry import STAGES
from manybaskets.study import keys
from manybaskets.study.layout import Study


class Job(NamedTuple):
    """One job: the name of its stage, and its key, such as a cell."""

    name: str
    key: Any

    @property
    def stage(self) -> Stage[Any, Any]:
        """The stage object."""
        return STAGES[self.name]

    @property
    def path(self) -> str:
        """Path of the job's log and record below `logs/` and `records/`, without extension."""
        place = keys.place(self.key)
        return f"{self.name}/{place}" if place else self.name


class Graph:
    """The jobs of one study."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._producers: dict[str, Job | None] = {}

    # ---- one job -----------------------------------------------------------------------------

    def job(self, name: str, wildcards: Any) -> Job:
        """Returns the job of a stage with these values of its rule's wildcards."""
        return Job(name, keys.parsed(STAGES[name].key, wildcards))

    def inputs(self, job: Job) -> Inputs:
        """Returns the files that a job reads, by the names in its rule."""
        return job.stage.inputs(self.study, job.key)

    def files(self, job: Job) -> list[str]:
        """Returns all inputs of a job, in the order of its rule."""
        return [
            path
            for value in self.inputs(job).values()
            for path in ([value] if isinstance(value, str) else value)
        ]

    def outputs(self, job: Job) -> list[str]:
        """Returns the files and folders that a job makes."""
        wildcards = keys.wildcards(job.key)
        return [
            self.study.path(output.path.format(**wildcards))
            for output in job.stage.outputs.values()
        ]

    def spec(self, job: Job) -> str:
        """Returns a job's spec with the identity of its code, as canonical JSON."""
        return job.stage.described(self.study, job.key)

    def record(self, job: Job) -> str:
        """Returns the path of the record of a finished job."""
        return self.study.path("records", f"{job.path}.json")

    def log(self, job: Job) -> str:
        """Returns the path of a job's log."""
        return self.study.path("logs", f"{job.path}.log")

    def arguments(self, job: Job) -> str:
        """Returns the `--spec` and `--record` arguments of a job, quoted for a shell."""
        return f"--spec {shlex.quote(self.spec(job))} --record {shlex.quote(self.record(job))}"

    def spec_file(self, job: Job) -> Path:
        """Returns the file of a job's spec: command lines, which others can see, have its path."""
        return Path(self.study.path("records", f"{job.path}.spec"))

    def rule_arguments(self, job: Job, is_started: bool) -> str:
        """Returns the arguments of a job in its rule, with the spec in a file of the owner.

        The file is written if the job is started, so that dry runs write nothing.
        """
        spec = self.spec_file(job)
        if is_started:
            write_private(spec, self.spec(job))
        return f"--spec {shlex.quote(str(spec))} --record {shlex.quote(self.record(job))}"

    def model(self, job: Job) -> str | None:
        """Returns a job's model: a name in `models`, or an endpoint's own; None without one."""
        return job.stage.model(self.study, job.key)

    def priority(self, job: Job) -> float:
        """Returns the stage's priority, lowered by the rank of the model to group jobs by model."""
        model = self.model(job)
        models = list(self.study.config.models)
        later = models.index(model) / len(models) if model in models else 0.0
        return job.stage.priority - later

    # ---- all jobs ----------------------------------------------------------------------------

    def producer(self, path: str) -> Job | None:
        """Returns the job that makes a file or folder; None if no job does."""
        if path not in self._producers:
            self._producers[path] = self._producer(path)
        return self._producers[path]

    def producers(self, job: Job) -> list[Job]:
        """Returns the jobs whose outputs a job reads, each once."""
        made = (self.producer(path) for path in self.files(job))
        return list(dict.fromkeys(job for job in made if job is not None))

    def jobs(self, *targets: str) -> Iterator[Job]:
        """Yields every job upstream of the targets (default: the report), inputs first."""
        seen: set[Job] = set()
        stack = [
            (job, False)
            for path in reversed(targets or (self.study.path("report.html"),))
            if (job := self.producer(path))
        ]
        while stack:
            job, ready = stack.pop()
            if ready:
                yield job
            elif job not in seen:
                seen.add(job)
                stack.append((job, True))
                stack += [(needed, False) for needed in reversed(self.producers(job))]

    def recorded(self, path: Path) -> Job:
        """Returns the job whose record has this path. Raises ValueError for any other path."""
        place = path.with_suffix("").relative_to(self.study.path("records"))
        name = place.parts[0]
        if name in STAGES:
            pattern = "/".join(filter(None, (name, keys.PATTERNS[STAGES[name].key])))
            if match := self._regex(STAGES[name], pattern).fullmatch(str(place)):
                return self.job(name, match.groupdict())
        raise ValueError(f"{path} is not the path of a record.")

    @cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [
            (stage.name, self._regex(stage, f"{self.study.root}/{output.path}"))
            for stage in STAGES.values()
            for output in stage.outputs.values()
        ]

    def _regex(self, stage: Stage[Any, Any], path: str) -> re.Pattern[str]:
        """Returns the pattern of a path of a stage; its wildcards are groups."""
        allowed = {
            name: "|".join(map(re.escape, values)) or "(?!)"
            for name, values in stage.allowed(self.study).items()
        }
        return re.compile(
            "".join(
                f"(?P<{part}>{allowed.get(part, keys.REGEX.get(part, keys.NAME))})"
                if number % 2
                else re.escape(part)
                for number, part in enumerate(re.split(r"{(\w+)}", path))
            )
        )

    def _producer(self, path: str) -> Job | None:
        for name, pattern in self._patterns:
            if match := pattern.fullmatch(path):
                return self.job(name, match.groupdict())
        return None
