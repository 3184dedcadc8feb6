"""Splits the study's human rows into train and test; chooses prompts and judges' items."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.config.dataset import Rows
from manybaskets.data import hub_rows, human_rows
from manybaskets.data import splits as dataset_splits
from manybaskets.files import read_jsonl, write_jsonl
from manybaskets.paths import RESOURCES
from manybaskets.stages.data import DatasetSpec

HELP = "Splits human rows into train (in quarters) and test; chooses prompts and judges' items."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, DatasetSpec)
    parser.add_argument("--documentation", type=Path, nargs="?")
    for name in ("train", "test", "prompts", "items"):
        parser.add_argument(f"--{name}", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the four files of rows."""
    dataset, texts = options.spec.dataset, options.spec.texts
    sizes = (dataset.train, dataset.test, dataset.seed)
    if dataset.docs:
        templates = {
            name: (RESOURCES / f"prompts/{name}.txt").read_text(encoding="utf-8")
            for name in ("document", "summarize")
        }
        rows = read_jsonl(options.documentation)
        splits = dataset_splits.from_documentation(rows, templates, dataset.task, *sizes)
    else:
        separate = dataset.prompts
        splits = dataset_splits.from_rows(
            _rows(dataset),
            human_rows.open_prompts(separate, dataset.prompts_field) if separate else None,
            *sizes,
            splits=dataset.split_method,
            duplicates=dataset.duplicates,
        )
    if texts:
        template = (RESOURCES / f"prompts/{texts.request}.txt").read_text(encoding="utf-8")
        items = dataset_splits.judged_texts(_rows(texts), template, texts.items, texts.seed)
        splits = replace(splits, items=items)
    for name in ("train", "test", "prompts", "items"):
        write_jsonl(getattr(options, name), getattr(splits, name))
    print(
        f"{len(splits.train)} training rows, {len(splits.test)} test rows, "
        f"{len(splits.prompts)} prompts for sources, {len(splits.items)} items for judges, "
        f"{splits.duplicates} duplicates left out"
    )


def _rows(spec: Rows) -> Iterator[dataset_splits.Row]:
    """Yields the rows of a file or of a hub dataset, with the field names of studies."""
    if spec.file:
        rows = human_rows.open_rows(spec)
    else:
        assert spec.hub is not None and spec.revision is not None
        table = human_rows.table_of(
            spec.hub, hub_rows.read(spec.hub, spec.revision, spec.files, spec.config, spec.split)
        )
        rows = human_rows.of_table(table, spec, "drop")
    print(f"{rows.table.path}: {rows.table.describe()}; {rows.shape.describe()}")
    yield from rows
    if rows.left_out_total:
        print(f"left out: {rows.complaint()}")
