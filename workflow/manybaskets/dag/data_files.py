"""Checks of the files of rows that a config names, and what the study takes their fields for.

Files are streamed. The result for large files is kept in the user's cache and used until a file or
a setting that matters changes.
"""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from manybaskets.config.dataset import Rows
from manybaskets.config.models import Source
from manybaskets.data import human_rows, mixes, recorded, remote_files
from manybaskets.data import splits as dataset_splits
from manybaskets.data.human_rows import CompleteRows
from manybaskets.data.row_store import StoredRows
from manybaskets.data.splits import Row, Splits
from manybaskets.data.tables import shapes
from manybaskets.files import InputError, canonical_json
from manybaskets.paths import PACKAGE
from manybaskets.stages import content
from manybaskets.study.layout import Study

Problem = tuple[str, str]
_CODE = ("data/**/*.py", "dag/data_files.py", "config/dataset.py")  # which checks depend on


class Checked(NamedTuple):
    """The problems of a study's files by key, notes for a run, and one line per file."""

    problems: list[Problem]
    notes: list[str]
    summary: list[str]


@functools.cache
def check(study: Study) -> Checked:
    """Reads the files of rows of a study, unless the result of a large file is kept."""
    paths = list(_paths(study))
    if sum(content.size_of(path) for path in paths) < content.LARGE:
        return _checked(study)
    value = content.kept("checks", _key(study, paths), lambda: list(_checked(study)))
    problems, notes, summary = value
    return Checked([(key, text) for key, text in problems], notes, summary)


def _checked(study: Study) -> Checked:
    checked = Checked([], [], [])
    config = study.config
    preference = config.probes.preference
    if preference and preference.texts:
        _open(study, preference.texts, "probes.preference.texts.file", checked, read=True)
    _recorded_files(study, checked)
    human = _open(study, config.dataset, "dataset.file", checked)
    prompts = _prompts(study, checked)
    if human is None or (prompts is None and config.dataset.prompts):
        return checked
    is_readable = not checked.problems
    dataset = config.dataset
    try:
        sizes = (dataset.train, dataset.test, dataset.seed, dataset.split_method)
        splits = dataset_splits.from_rows(human, prompts, *sizes, dataset.duplicates)
    except InputError as error:
        checked.problems.append(("dataset.file", str(error)))
        return checked
    _summarize(human, "dataset.file", checked)
    if splits.duplicates:
        checked.summary[-1] += f", {splits.duplicates:,} duplicates of a prompt left out"
    if is_readable:
        _coverage(study, splits, checked)
    return checked


def _open(
    study: Study, section: Rows, key: str, checked: Checked, read: bool = False
) -> CompleteRows | None:
    """Opens the file of a section; with `read`, checks all its rows."""
    path = _present(study, section)
    if path is None:
        return None
    try:
        if section.file and section.sha256:
            remote_files.check_copy(Path(section.file), section.sha256)
        rows = human_rows.open_rows(section, str(path))
        if read:
            for _ in rows:
                pass
            _summarize(rows, key, checked)
    except InputError as error:
        checked.problems.append((key, str(error)))
        return None
    return rows


def _prompts(study: Study, checked: Checked) -> list[Row] | None:
    dataset = study.config.dataset
    if not dataset.prompts:
        return None
    try:
        rows = human_rows.open_prompts(dataset.prompts, dataset.prompts_field)
        prompts = list(rows)
    except InputError as error:
        checked.problems.append(("dataset.prompts", str(error)))
        return None
    _summarize(rows, "dataset.prompts", checked)
    return prompts


def _recorded_files(study: Study, checked: Checked) -> None:
    for name, source in study.config.sources.items():
        if path := _present(study, source):
            key = f"sources.{name}.recorded"
            try:
                if source.recorded and source.sha256:
                    remote_files.check_copy(Path(source.recorded), source.sha256)
                table, shape = shapes.open_records(path, source.fields)
            except InputError as error:
                checked.problems.append((key, str(error)))
            else:
                checked.summary.append(f"{key}: {path}: {table.describe()}; {shape.describe()}")


def _coverage(study: Study, splits: Splits, checked: Checked) -> None:
    """Adds the problems and notes of recorded sources: prompts without, or with few, responses."""
    assigned = _assigned(study, splits, checked)
    if not any(_present(study, study.config.sources[name]) for name in assigned):
        return
    by_id = {row["id"]: row for row in splits.prompts}
    for name, numbers in assigned.items():
        source = study.config.sources[name]
        if not (path := _present(study, source)):
            continue
        prompts = [by_id[number] for number in sorted(numbers)]
        settings = {**source.model_dump(), "recorded": str(path)}
        key = f"sources.{name}.recorded"
        try:
            recording = recorded.read(settings, prompts)
        except InputError as error:
            checked.problems.append((key, str(error)))
            continue
        lacking = [row["prompt"] for row in recording.lacking(prompts)]
        if lacking:
            text = recorded.missing_message(settings, lacking, prompts)
            checked.problems.append((key, text))
        elif not recording.has_text:
            first = recording.first_missing or "empty"
            text = f"{path}: no response is a text; {first}. Name their field under fields."
            checked.problems.append((key, text))
            continue
        needed = max(mix.samples for mix in study.own_mixes.values() if name in mix.origins)
        notes = recording.notes(prompts, needed)
        checked.notes.extend(f"{key}: {path}: {note}" for note in notes)


def _assigned(study: Study, splits: Splits, checked: Checked) -> dict[str, set[str]]:
    """Returns the ids of the prompts that the mixes assign to each source."""
    by_origin: dict[str, set[str]] = {}
    human, prompts = _entries(splits.train), _entries(splits.prompts)
    for name, mix in study.config.mixes.items():
        recipe = mixes.MixRecipe(dict(mix.origins), mix.assign)
        for seed in study.config.seeds:
            try:
                assigned = mixes.assignment(recipe, study.rows, seed, human, prompts)
            except ValueError as error:
                checked.problems.append((f"mixes.{name}", f"{error}. Lower rows, or add prompts."))
                break
            for prompt, origin in assigned:
                by_origin.setdefault(origin, set()).add(prompt)
    return {name: ids for name, ids in by_origin.items() if name in study.config.sources}


def _entries(rows: Sequence[Row]) -> Sequence[Row]:
    """Returns rows without their texts, where these are in a file."""
    return rows.entries if isinstance(rows, StoredRows) else rows


def _summarize(rows: CompleteRows, key: str, checked: Checked) -> None:
    complete = rows.total - rows.left_out_total
    line = f"{key}: {rows.table.path}: {rows.table.describe()}; {rows.shape.describe()}; "
    checked.summary.append(f"{line}{complete:,} rows")
    if rows.left_out_total:
        checked.notes.append(f"{key}: left out: {rows.complaint()}")


def _present(study: Study, section: Rows | Source) -> Path | None:
    """Returns the file of a section's rows; None without, and before it is downloaded."""
    path = study.rows_file(section)
    if path is None or (study.downloads(section) and not Path(path).is_file()):
        return None
    return Path(path)


def _paths(study: Study) -> Iterator[Path]:
    """Yields the files of rows that exist."""
    config = study.config
    preference = config.probes.preference
    sections: list[Rows | Source] = [config.dataset, *config.sources.values()]
    sections += [preference.texts] if preference and preference.texts else []
    paths = [path for section in sections if (path := _present(study, section))]
    paths += [Path(config.dataset.prompts)] if config.dataset.prompts else []
    yield from (path for path in paths if path.exists())


def _key(study: Study, paths: Sequence[Path]) -> str:
    """Returns everything that the checks depend on, as canonical JSON."""
    config = study.config
    preference = config.probes.preference
    code = sorted(path for pattern in _CODE for path in PACKAGE.glob(pattern))
    settings: dict[str, Any] = {
        "dataset": config.dataset.model_dump(mode="json"),
        "sources": {name: s.model_dump(mode="json") for name, s in config.sources.items()},
        "texts": preference.texts.model_dump(mode="json")
        if preference and preference.texts
        else None,
        "mixes": {name: mix.model_dump(mode="json") for name, mix in config.mixes.items()},
        "rows": study.rows,
        "seeds": config.seeds,
        "root": str(Path(study.root).absolute()),
        "files": {str(path): content.content_hash(path) for path in paths},
        "code": [content.content_hash(path) for path in code],
    }
    return canonical_json(settings)
