"""Prepares the study's human rows."""

import argparse
import json
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
    spec = options.spec
    sizes = (spec["train"], spec["test"], spec["seed"])
    if spec["docs"]:
        templates = {
            name: (RESOURCES / f"prompts/{name}.txt").read_text(encoding="utf-8")
            for name in ("document", "summarize")
        }
        rows = read_jsonl(options.documentation)
        splits = dataset.from_documentation(rows, templates, spec["task"], *sizes)
    else:
        fields = spec["fields"]
        if spec["file"]:
            human = dataset.read_human_rows(Path(spec["file"]), **fields)
        else:
            human = _hub_rows(spec)
        prompts = None
        if spec["prompts"]:
            field = spec["prompts_field"]
            prompts = [row[field] for row in read_jsonl(Path(spec["prompts"]), [field])]
        splits = dataset.from_rows(human, prompts, *sizes)
    for name in ("train", "test", "prompts", "items"):
        write_jsonl(getattr(options, name), getattr(splits, name))
    print(
        f"{len(splits.train)} training rows, {len(splits.test)} test rows, "
        f"{len(splits.prompts)} prompts for sources, {len(splits.items)} items for judges, "
        f"{splits.duplicates} duplicates left out"
    )


def _hub_rows(spec: dict[str, Any]) -> list[dataset.Row]:
    """Rows of a hub dataset at its pinned revision."""
    from datasets import load_dataset

    fields = spec["fields"]
    found = load_dataset(
        spec["hub"], name=spec["config"], split=spec["split"], revision=spec["revision"]
    )
    for name in (fields["prompt"], fields["response"], fields["stratum"]):
        if name and name not in found.column_names:
            raise BadFile(
                f"{spec['hub']}: there is no field '{name}'; the dataset has "
                f"{', '.join(found.column_names)}. Set dataset.fields."
            )
    return [
        {
            "prompt": str(row[fields["prompt"]]).strip(),
            "response": str(row[fields["response"]]).strip(),
            "stratum": str(row[fields["stratum"]]) if fields["stratum"] else "",
        }
        for row in found
    ]
