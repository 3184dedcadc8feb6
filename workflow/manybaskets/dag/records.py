"""Records of finished jobs, kept beside the results: `records/<stage>/….json`.

A record contains the job's spec, the jobs and hashes of its inputs, and the hashes of its outputs.
It decides whether a result is up to date. Modification times do not; they only save hashing a file
again whose size and time are as recorded.
"""

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.results_format import FORMAT
from manybaskets.files import InputError, canonical_json, read_json, write_json
from manybaskets.stages import fingerprint
from manybaskets.stages.registry import STAGES

FIELDS = {"description", "fingerprint", "inputs", "outputs", "digest", "reproducible", "seconds"}
# size in bytes, time of the last change in ns, SHA-256 of the content
Entry = list[Any]


class Damage(InputError):
    """A result differs from what its job wrote."""


def read(graph: Graph, job: Job) -> dict[str, Any] | None:
    """Returns the record of a job, None when it is missing or unreadable."""
    try:
        record = read_json(Path(graph.record(job)))
        return record if record.keys() >= FIELDS else None
    except (OSError, ValueError, AttributeError):
        return None


def identity(stage: str, spec: str, inputs: dict[str, str]) -> str:
    """Returns the fingerprint of a job: a hash of its spec and of its inputs' fingerprints.

    `inputs` maps the paths of the jobs that made them, or of files from outside, to fingerprints.
    """
    if extent := STAGES[stage].extent:
        fields = json.loads(spec)
        spec = canonical_json({key: fields[key] for key in fields if key not in extent})
    return _sha256(f"{spec}\n{canonical_json(inputs)}".encode())[:32]


def outside(path: Path) -> str:
    """Returns the fingerprint of a file or folder that no job makes, from its content.

    For files over 64 MiB: from the size and sixteen blocks of 1 MiB spread over the file.
    """
    digest = hashlib.sha256()
    for name, file in _members(path):
        digest.update(f"{name}\0{_sampled(file)}\n".encode())
    return digest.hexdigest()[:32]


def entries(root: Path, outputs: list[str]) -> dict[str, Entry]:
    """Returns size, time and hash of the files of a job's outputs, by path below the results."""
    files = {}
    for output in outputs:
        for _, file in _members(Path(output)):
            stat = file.stat()
            files[str(file.relative_to(root))] = [stat.st_size, stat.st_mtime_ns, _content(file)]
    return files


def digest(entries: dict[str, Entry]) -> str:
    """Returns one hash of all files of a job."""
    content = {path: entry[2] for path, entry in entries.items()}
    return _sha256(canonical_json(content).encode())[:32]


def damage(root: Path, record: dict[str, Any], outputs: list[str]) -> list[tuple[str, str]]:
    """Returns the outputs of a job that differ from its record, and how each differs.

    Updates the times in `record` of files that were touched but have the same content.
    """
    lacking = [
        output
        for output in outputs
        if not any(_is_below(f"{root}/{path}", output) for path in record["outputs"])
    ]
    problems = [(output, "was not written") for output in lacking]
    for path, entry in record["outputs"].items():
        file = root / path
        try:
            stat = file.stat()
        except OSError:
            problems.append((str(file), "is missing"))
            continue
        size, changed, content = entry
        if stat.st_size != size:
            problems.append((str(file), f"has {stat.st_size:,} bytes instead of {size:,}"))
        elif stat.st_mtime_ns != changed:
            if _content(file) != content:
                problems.append((str(file), "has other content"))
            else:
                entry[1] = stat.st_mtime_ns
                record["touched"] = True
    return problems


def refresh(path: Path, record: dict[str, Any]) -> None:
    """Writes back a record whose files were touched, to save hashing them again."""
    if record.pop("touched", False):
        write_json(path, record)


def unfinished(graph: Graph, job: Job) -> Path:
    """Returns the path of the note that a job runs, or why it failed, until it has a record."""
    return Path(graph.record(job)).with_suffix(".unfinished")


@contextmanager
def recorded(graph: Graph, job: Job, spec: dict[str, Any], reproducible: bool) -> Iterator[None]:
    """Verifies a job's inputs, runs the block, and writes the record.

    The old record is deleted before the block starts; a note replaces it until the block has
    succeeded. Raises Damage for an input that differs from what its job wrote.
    """
    path, note = Path(graph.record(job)), unfinished(graph, job)
    earlier = read(graph, job)
    path.unlink(missing_ok=True)
    process = {"pid": os.getpid(), "host": socket.gethostname(), "started": round(time.time(), 1)}
    write_json(note, process)
    began = time.monotonic()
    try:
        inputs = _inputs(graph, job)
        record: dict[str, Any] = {
            "format": FORMAT,
            "stage": job.name,
            "wildcards": job.key._asdict(),
            "description": spec,
            "modules": fingerprint.modules(f"cli.steps.{job.name}"),
            "fingerprint": identity(
                job.name,
                canonical_json(spec),
                {name: entry[0] for name, entry in inputs.items()},
            ),
            "inputs": inputs,
            "reproducible": reproducible,
        }
        if job.stage.extent:
            _delete_unusable_outputs(graph, job, earlier, record["fingerprint"])
        yield
        seconds = round(time.monotonic() - began, 3)
        written = entries(Path(graph.study.root), graph.outputs(job))
    except BaseException as error:
        reason = str(error).strip() or type(error).__name__
        with contextlib.suppress(OSError):  # a full disk must not hide the error
            write_json(note, process | {"failed": reason})
        raise
    result = {"outputs": written, "digest": digest(written)}
    write_json(path, record | result | {"seconds": seconds, "finished": round(time.time(), 1)})
    note.unlink()


def _delete_unusable_outputs(
    graph: Graph, job: Job, earlier: dict[str, Any] | None, fingerprint: str
) -> None:
    """Deletes outputs that a job cannot extend: they have another spec, or are damaged."""
    outputs = graph.outputs(job)
    if earlier is None or earlier["fingerprint"] != fingerprint:
        is_usable = False
    else:
        is_usable = not damage(Path(graph.study.root), earlier, outputs)
    if not is_usable:
        for output in outputs:
            Path(output).unlink(missing_ok=True)


def _inputs(graph: Graph, job: Job) -> dict[str, list[Any]]:
    """Returns fingerprint, hash and reproducibility of a job's inputs, by producing job."""
    root = Path(graph.study.root)
    inputs: dict[str, list[Any]] = {}
    for path in graph.files(job):
        producer = graph.producer(path)
        if producer is None:
            inputs[path] = [content := outside(Path(path)), content, True]
        elif producer.path not in inputs:
            record = read(graph, producer)
            if record is None:
                raise Damage(
                    f"{path}: there is no record of the job that made it. "
                    "Start snakemake again to remake it."
                )
            for file, problem in damage(root, record, graph.outputs(producer)):
                raise Damage(
                    f"{file} {problem}: it was modified after its job ({producer.path}) wrote it. "
                    "Start snakemake again to remake it."
                )
            inputs[producer.path] = [
                record["fingerprint"],
                record["digest"],
                record["reproducible"],
            ]
    return inputs


def _members(path: Path) -> Iterator[tuple[str, Path]]:
    """Yields the files of a folder, or the file itself, with names; hidden files are skipped."""
    if not path.is_dir():
        yield path.name, path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                file = Path(folder, name)
                yield str(file.relative_to(path)), file


def _content(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sampled(file: Path) -> str:
    mib, size = 1024**2, file.stat().st_size
    if size <= 64 * mib:
        return _content(file)
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as opened:
        for block in range(16):
            opened.seek((size - mib) * block // 15)
            digest.update(opened.read(mib))
    return digest.hexdigest()


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
