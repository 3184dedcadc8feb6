"""Options that the commands of steps share, and their help."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, get_args

from pydantic import BaseModel

from manybaskets.stages.base import Spec

FILES = {
    "adapter": "folder of the adapter; none for a vanilla target",
    "attacks": "responses to requests and attacks",
    "base": "folder of the target",
    "calibration": "judges' labels of the responses that people have labelled",
    "candidates": "candidates of the sources",
    "cells": "candidates of the cells",
    "comparison": "table of published effects",
    "composition": "summary of the training set",
    "contrasts": "table of contrasts",
    "documentation": "docstrings of installed packages",
    "embedder": "folder of the embedder; none for the one of the environment",
    "embeddings": "embeddings of responses and samples",
    "figures": "folder of the figures",
    "items": "items that judges compare",
    "judgements": "judgements of the cell",
    "judges": "table of judges",
    "labels": "judges' labels of the responses",
    "likelihood": "likelihoods of human text",
    "measurements": "table of measurements",
    "model": "folder of the model; none for an endpoint or a verifier without a model",
    "models": "folders of the scratch models",
    "outliers": "responses that the rule of the Eggs study excludes",
    "output": "file or folder to write",
    "own": "likelihoods of the cell's responses",
    "pooled": "table of pooled tests",
    "prompts": "prompts for the sources",
    "ranks": "table of word frequencies",
    "reference": "embeddings of human test responses",
    "responses": "responses",
    "rows": "rows of the training set",
    "samples": "further samples of responses",
    "sets": "public sets of requests",
    "suffixes": "optimised suffixes",
    "summary": "summary of the training",
    "test": "human test rows",
    "tokenizer": "folder of the tokenizer",
    "tokens": "table of the tokens of human text",
    "train": "human training rows",
    "training": "table of training curves",
    "trends": "table of trends",
    "verdicts": "scores of responses",
    "written": "responses of earlier generations",
    "yardstick": "scores of scratch and n-gram models",
}
"""The help of options that are paths and have no help of their own."""


def config_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--configfile` and `--config`, as Snakemake has them."""
    parser.add_argument(
        "--configfile",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="configs of the study, the overlay last (repeatable)",
    )
    config_value_argument(parser)


def config_value_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--config`."""
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="config value that overrides the files (repeatable)",
    )


def spec_argument(parser: argparse.ArgumentParser, spec: type[Spec]) -> None:
    """Adds `--spec`, which parses a job's spec from JSON or a file; the help lists its fields."""
    parser.add_argument(
        "--spec",
        type=lambda given: spec.parse(_spec_text(given)),
        required=True,
        metavar="FILE",
        help="spec of the job, see below: a JSON file, or the JSON itself",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    description = " ".join((spec.__doc__ or "").split())
    parser.epilog = "\n".join(["spec of the job:", *_indented(description, 2), "", *_fields(spec)])


def _spec_text(given: str) -> str:
    if given.lstrip().startswith("{"):
        return given
    try:
        return Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise argparse.ArgumentTypeError(
            f"{given}: this spec cannot be read ({reason}). Snakemake writes it when it starts the "
            "job."
        ) from None


def describe_paths(parser: argparse.ArgumentParser) -> None:
    """Adds the help of paths to a step's options."""
    for action in parser._actions:
        if action.type is Path:
            action.metavar = "PATH"
            action.help = action.help or FILES.get(action.dest)


def _fields(spec: type[Spec]) -> Iterator[str]:
    """Yields the lines of the help on a spec's fields; `code`, which all specs have, is last."""
    for name, field in sorted(spec.model_fields.items(), key=lambda entry: entry[0] == "code"):
        optional = "" if field.is_required() else ", optional"
        yield f"  {name} ({_type_name(field.annotation)}{optional})"
        yield from _indented(field.description or _summary(field.annotation), 6)


def _type_name(annotation: Any) -> str:
    """Returns a type as it is written in the sources, without modules."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return re.sub(r"(?:\w+\.)+(\w+)", r"\1", str(annotation))


def _summary(annotation: Any) -> str:
    """Returns the first sentence of the docstring of a section or spec, "" for other types."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return ""


def _indented(text: str, indent: int) -> list[str]:
    return wrap(text, 88, initial_indent=" " * indent, subsequent_indent=" " * indent)
