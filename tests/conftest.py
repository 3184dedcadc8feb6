"""Fixtures of several test files: small models, small studies."""

import os
from pathlib import Path
from typing import Any

import pytest

# Tests run in as many processes as there are cores. With more threads than cores, numpy's and
# torch's threads wait for each other, and some tests take ten times as long. The variable must be
# set before numpy is imported; Snakemake sets it for every job.
os.environ.setdefault("OMP_NUM_THREADS", "1")

WORDS = "sort the list of rows and return a copy of each value in the table or raise".split()  # noqa: SIM905


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from manybaskets.models import architectures

    texts = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))]
    return architectures.train_tokenizer(texts, 320)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A randomly initialised Llama of a few thousand parameters, as a model folder."""
    import torch

    from manybaskets.models import architectures

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model = architectures.build(
        "llama", vocabulary=len(tokenizer), hidden=32, layers=2, heads=2, context=128
    )
    architectures.save(model, tokenizer, folder)
    return folder


@pytest.fixture
def study_config() -> dict[str, Any]:
    """The smallest study that is complete."""
    return {
        "study": "micro",
        "seeds": [1, 2],
        "dataset": {"docs": {"packages": ["stdlib"]}, "train": 40, "test": 10},
        "models": {
            "wren": {"scratch": {"family": "llama", "documentation": ["stdlib"]}},
            "finch": {"scratch": {"family": "qwen3", "documentation": ["stdlib"]}},
        },
        "sources": {"wren": {"model": "wren"}, "finch": {"model": "finch"}},
        "targets": ["wren"],
        "mixes": {
            "human": {"origins": {"human": 1.0}},
            "single": {"origins": {"wren": 1.0}},
            "multi": {"origins": {"wren": 0.5, "finch": 0.5}, "assign": "quarters"},
        },
    }
