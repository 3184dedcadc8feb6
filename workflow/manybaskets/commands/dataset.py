"""Prepares the study's human rows."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from manybaskets import dataset
from manybaskets.files import BadFile, read_jsonl, write_jsonl
from manybaskets.layout import RESOURCES

HELP = "Splits human rows into train (in quarters) and test; chooses prompts and judges' items."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--documentation", type=Path, nargs="?")
    for name in ("train", "test", "prompts", "items"):
        parser.add_argument(f"--{name}", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the four files of rows."""
    spec, texts = options.spec, options.spec["texts"]
    sizes = (spec["train"], spec["test"], spec["seed"])
    if spec["docs"]:
        templates = {
            name: (RESOURCES / f"prompts/{name}.txt").read_text(encoding="utf-8")
            for name in ("document", "summarize")
        }
        rows = read_jsonl(options.documentation)
        splits = dataset.from_documentation(rows, templates, spec["task"], *sizes)
    else:
        prompts = None
        if spec["prompts"]:
            field = spec["prompts_field"]
            prompts = [row[field] for row in read_jsonl(Path(spec["prompts"]), [field])]
        splits = dataset.from_rows(
            _rows(spec), prompts, *sizes, splits=spec["splits"], duplicates=spec["duplicates"]
        )
    if texts:
        template = (RESOURCES / f"prompts/{texts['request']}.txt").read_text(encoding="utf-8")
        items = dataset.judged_texts(_rows(texts), template, texts["items"], texts["seed"])
        splits = replace(splits, items=items)
    for name in ("train", "test", "prompts", "items"):
        write_jsonl(getattr(options, name), getattr(splits, name))
    print(
        f"{len(splits.train)} training rows, {len(splits.test)} test rows, "
        f"{len(splits.prompts)} prompts for sources, {len(splits.items)} items for judges, "
        f"{splits.duplicates} duplicates left out"
    )


def _rows(spec: dict[str, Any]) -> list[dataset.Row]:
    """Rows of a file, or of a hub dataset at its pinned revision, under the study's names."""
    fields = spec["fields"]
    if spec["file"]:
        return dataset.read_human_rows(Path(spec["file"]), **fields)
    from datasets import load_dataset

    found = load_dataset(
        spec["hub"], name=spec["config"], split=spec["split"], revision=spec["revision"]
    )
    for name in filter(None, fields.values()):
        if name not in found.column_names:
            raise BadFile(
                f"{spec['hub']}: there is no field '{name}'; the dataset has "
                f"{', '.join(found.column_names)}. Set its fields."
            )
    needed = (fields["prompt"], fields["response"])
    whole = [row for row in found if all(str(row[name] or "").strip() for name in needed)]
    if len(whole) < len(found):
        print(
            f"{len(found) - len(whole)} rows of {spec['hub']} without prompt or response left out"
        )
    return dataset.named_rows(whole, spec["hub"], **fields)
