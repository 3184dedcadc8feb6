"""Writes the JSON schema of study configs, and the reference page of their keys."""

import argparse
from pathlib import Path

from pydantic import BaseModel

from manybaskets.config import key_reference, study
from manybaskets.files import indented_json, write_for_person
from manybaskets.paths import REPOSITORY

HELP = "Writes the JSON schema for editors, and the reference of all config keys."
INTRODUCTION = """\
Generated from the models in `workflow/manybaskets/config/` by `make schema`; a test compares both.

A study is one YAML file. Unknown keys are errors. `<name>` stands for a name that the study
chooses. With several files (`--configfile base.yaml mine.yaml`), later files replace the values of
earlier ones, and `null` removes a named entry. An empty default means that the key is not set."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    schema, page = Path("workflow/schemas/study.json"), Path("docs/config.md")
    parser.add_argument("--output", type=Path, default=REPOSITORY / schema, help="JSON schema")
    parser.add_argument("--page", type=Path, default=REPOSITORY / page, help="reference page")


def run(options: argparse.Namespace) -> None:
    """Writes both files."""
    write_for_person(options.output, indented_json(study.schema()))
    write_for_person(options.page, reference_page())


def reference_page() -> str:
    """The reference of all keys of the three kinds of studies, as Markdown."""
    from manybaskets.simulations.eigenvalues.study import EigenStudy
    from manybaskets.simulations.theory import TheoryStudy

    studies: dict[str, type[BaseModel]] = {
        "Studies of language models": study.StudyConfig,
        "Simulations (`theory`)": TheoryStudy,
        "Eigenvalues": EigenStudy,
    }
    return key_reference.page("All config keys", INTRODUCTION, studies)
