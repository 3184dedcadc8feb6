"""The samples of public data in tests/data; README.md there has their origins and licences."""

import json
from typing import Any

from tests.support.paths import DATA

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
SAFE_PROMPTS = DATA / "xstest/safe_prompts.csv"


def gsm8k_problems() -> list[dict[str, Any]]:
    """100 problems, each a `question` and an `answer` by a person that ends in `#### N`."""
    return _rows("gsm8k/problems.jsonl")


def gsm8k_model_solutions() -> list[dict[str, Any]]:
    """60 problems, each with a `solution` and `is_correct` for every one of MODELS."""
    return _rows("gsm8k/model_solutions.jsonl")


def model_texts() -> list[str]:
    """All 240 solutions by models, problem by problem."""
    return [row[model]["solution"] for row in gsm8k_model_solutions() for model in MODELS]


def declaration() -> dict[str, list[str]]:
    """Ten paragraphs of the Universal Declaration of Human Rights, by the code of the language."""
    paragraphs: dict[str, list[str]] = json.loads((DATA / "udhr/articles.json").read_text("utf-8"))
    return paragraphs


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
