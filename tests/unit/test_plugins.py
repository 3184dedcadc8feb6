"""Plug-ins are found by folder, and their code is part of the fingerprints of their steps."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from manybaskets import plugins
from manybaskets.probes.robustness.judges import KINDS
from tests.support.paths import ROOT


def test_judges_are_found_by_their_folder() -> None:
    found = plugins.names("probes.robustness.judges")
    assert {"rubric", "scales", "harmbench", "llama-guard"} <= set(found)
    assert list(KINDS) == found
    assert all(hasattr(kind, "asked") and hasattr(kind, "verdict") for kind in KINDS.values())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package and its resources."""
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    shutil.copytree(ROOT / "resources", tmp_path / "resources")
    return tmp_path


def code_of(root: Path, *stages: str) -> list[str]:
    said = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys; from manybaskets.stages import fingerprint;"
            "print(*(fingerprint.code(f'cli.steps.{s}')['source'] for s in sys.argv[1:]))",
            *stages,
        ],
        env={"PYTHONPATH": str(root / "workflow"), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.split()


METRIC = """
from manybaskets.metrics.registry import {kind}

ONE = {kind}("one", "one", "One.", "neither", "1", lambda sample: 1.0)


def unused():
    return 2
"""
OPERATOR = "RULE = None\n"
VERIFIER = "VERIFIER = None\n"
PROBE = "PROBE = None\n"
QUESTION = "QUESTION = None\n"
ATTACK = "ATTACK = None\n"
JUDGE = "def asked(*_):\n    return []\n\n\ndef verdict(_):\n    return {}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text", "changed"),
    [
        ("metrics/one.py", METRIC.format(kind="MetricOfWords"), "collapse findings"),
        ("metrics/one.py", METRIC.format(kind="MetricOfEmbeddings"), "collapse findings"),
        ("metrics/one.py", METRIC.format(kind="Metric"), "findings"),
        ("selection/operators/one.py", OPERATOR, "select"),
        ("probes/of_responses/one.py", PROBE, "measure_responses"),
        ("selection/verifiers/one.py", VERIFIER, "score_responses"),
        ("probes/robustness/judges/one.py", JUDGE, "judge_harm robustness"),
        ("probes/robustness/attacks/one.py", ATTACK, "run_attacks"),
        ("probes/preference/text_questions/one.py", QUESTION, "preference"),
        (
            "probes/preference/text_questions/one.py",
            METRIC.format(kind="Metric"),
            "preference findings",
        ),
    ],
)
def test_a_new_file_changes_the_steps_that_load_it_and_no_other(
    package: Path, file: str, text: str, changed: str
) -> None:
    stages = (
        *("collapse", "select", "score_responses", "run_attacks", "judge_harm", "robustness"),
        *("judge_pairs", "preference", "measure_responses", "train", "sample_responses"),
        "findings",
    )
    before = code_of(package, *stages)
    (package / "workflow/manybaskets" / file).write_text(text)
    after = code_of(package, *stages)
    differing = {stage for stage, a, b in zip(stages, before, after, strict=True) if a != b}
    assert differing == set(changed.split())
