"""Which jobs must run, and why: compares the study as it is now with the records of its jobs.

A job is up to date when its spec, the specs of all jobs upstream, and the hashes of its outputs are
the recorded ones. Otherwise it runs, and so do the jobs downstream. The exception is a lost or
damaged output: the same spec gives the same bytes, so nothing downstream runs, unless the record
marks the job as not reproducible (GPUs, endpoints).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from manybaskets.dag import records
from manybaskets.dag.graph import Graph, Job
from manybaskets.data import mixes
from manybaskets.files import read_jsonl
from manybaskets.stages import fingerprint

SHOWN = 60  # characters of a value in a reason


class Reason(NamedTuple):
    """Why a job must run: what differs from its record, and how."""

    subject: str
    how: str

    def __str__(self) -> str:
        return f"{self.subject} {self.how}" if self.subject else self.how


Reasons = tuple[Reason, ...]


class Reruns:
    """The decisions for one study, each made once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._fingerprints: dict[Job, str] = {}
        self._reasons: dict[Job, Reasons] = {}
        self._outside: dict[str, str] = {}
        self._digests: dict[Job, str] = {}
        self._settled: dict[Job, bool] = {}
        self._extended: set[Job] = set()  # must run, and keep the rows they have
        self._touched: list[tuple[Path, dict[str, Any]]] = []
        # seconds and bytes of every record read so far, by stage
        self.measured: dict[str, list[tuple[float, int]]] = {}

    def fingerprint(self, job: Job) -> str:
        """Returns the fingerprint that a job's record would have if it ran now."""
        if job not in self._fingerprints:
            spec = self.graph.spec(job)
            self._fingerprints[job] = records.identity(job.name, spec, self.inputs(job))
        return self._fingerprints[job]

    def why(self, job: Job) -> Reasons:
        """Returns the reasons why a job must run, none when it is up to date."""
        if job not in self._reasons:
            self._reasons[job] = tuple(self._why(job))
        return self._reasons[job]

    def is_settled(self, job: Job) -> bool:
        """Returns whether a job and everything upstream is up to date."""
        if job not in self._settled:
            self._settled[job] = not self.why(job) and all(
                self.is_settled(producer) for producer in self.graph.producers(job)
            )
        return self._settled[job]

    def refresh(self) -> None:
        """Writes the times of touched files with unchanged content into their records."""
        for path, record in self._touched:
            records.refresh(path, record)
        self._touched.clear()

    def _why(self, job: Job) -> Iterator[Reason]:
        graph = self.graph
        record = records.read(graph, job)
        if record is None:
            exists = any(Path(output).exists() for output in graph.outputs(job))
            yield Reason("", "no record that it finished" if exists else "never run")
            return
        size = sum(entry[0] for entry in record["outputs"].values())
        self.measured.setdefault(job.name, []).append((record["seconds"], size))
        if record["fingerprint"] != self.fingerprint(job):
            yield from self._changes(job, record)
            return
        problems = records.damage(Path(graph.study.root), record, graph.outputs(job))
        if problems:
            for file, problem in problems:
                yield Reason(file, problem)
            return
        if record.get("touched"):
            self._touched.append((Path(graph.record(job)), record))
        self._digests[job] = record["digest"]
        if job.stage.extent:
            spec = json.loads(graph.spec(job))
            more = list(differences(record["description"], spec))
            if more:
                self._extended.add(job)
                yield from more
                return
        for producer in graph.producers(job):
            _, digest, reproducible = record["inputs"][producer.path]
            if self.why(producer) and producer not in self._extended:
                if not reproducible:
                    yield Reason(producer.path, "is remade and may differ")
            elif self._digests[producer] != digest and not self._still_drawn(job, producer, record):
                yield Reason(producer.path, "differs from what this was made from")

    def _still_drawn(self, job: Job, producer: Job, record: dict[str, Any]) -> bool:
        """Returns whether a mix still has its source's rows, after the source got more of them."""
        if not producer.stage.extent:
            return False
        rows, answers = (read_jsonl(Path(self.graph.outputs(one)[0])) for one in (job, producer))
        if not mixes.uses_same_responses(rows, producer.key.source, answers):
            return False
        record["inputs"][producer.path][1] = self._digests[producer]
        if not record.get("touched"):
            self._touched.append((Path(self.graph.record(job)), record))
        record["touched"] = True
        return True

    def inputs(self, job: Job) -> dict[str, str]:
        """Returns the fingerprints of a job's inputs, by producing job or outside path."""
        fingerprints = {}
        for path in self.graph.files(job):
            producer = self.graph.producer(path)
            if producer is not None:
                fingerprints[producer.path] = self.fingerprint(producer)
            else:
                if path not in self._outside:
                    self._outside[path] = records.outside(Path(path))
                fingerprints[path] = self._outside[path]
        return fingerprints

    def _changes(self, job: Job, record: dict[str, Any]) -> Iterator[Reason]:
        spec = json.loads(self.graph.spec(job))
        for reason in differences(record["description"], spec):
            if reason.subject == "code.source:":
                yield from self._edits(job, record)
            else:
                yield reason
        now = self.inputs(job)
        then = {name: entry[0] for name, entry in record["inputs"].items()}
        for name in [*now, *(name for name in then if name not in now)]:
            if name not in then:
                yield Reason(name, "is read now")
            elif name not in now:
                yield Reason(name, "is no longer read")
            elif now[name] != then[name]:
                yield Reason(name, "was changed" if name in self._outside else "is remade")

    def _edits(self, job: Job, record: dict[str, Any]) -> Iterator[Reason]:
        """Yields the modules with changed code that the job runs."""
        now, then = fingerprint.modules(f"cli.steps.{job.name}"), record.get("modules", {})
        for name in sorted(now.keys() | then.keys()):
            if now.get(name) != then.get(name):
                yield Reason(f"{name.replace('.', '/')}.py", "was edited")


def differences(then: Any, now: Any, key: str = "") -> Iterator[Reason]:
    """Yields the differences between two specs, key by key."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted(then.keys() | now.keys()):
            inner = f"{key}.{name}" if key else name
            yield from differences(then.get(name), now.get(name), inner)
    elif then != now:
        yield Reason(f"{key}:", f"{_short(then)} -> {_short(now)}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
