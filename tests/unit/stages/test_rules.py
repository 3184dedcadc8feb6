"""Rules, stages and commands have the same names; a rule's docstring names its files."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.main import STEPS
from manybaskets.config import validation
from manybaskets.dag.graph import Graph
from manybaskets.paths import REPOSITORY
from manybaskets.stages.registry import ALL, STAGES
from manybaskets.study.keys import ProbedCell
from manybaskets.study.layout import Study

OTHER_STUDIES = {"theory.smk", "eigenvalues.smk"}  # they have no stages
RULE = re.compile(r'^ *rule (\w+):\n(?: +"""(.*?)"""\n)?', re.MULTILINE | re.DOTALL)


def rule_files() -> list[Path]:
    files = sorted((REPOSITORY / "workflow/rules").glob("*.smk"))
    return [path for path in files if path.name not in OTHER_STUDIES]


@pytest.fixture(scope="module")
def docstrings() -> dict[str, str]:
    """The docstring of each rule, in one line."""
    rules = [rule for path in rule_files() for rule in RULE.findall(path.read_text("utf-8"))]
    return {name: " ".join(text.split()) for name, text in rules}


@pytest.fixture
def inputs(study_config: dict[str, Any]) -> dict[str, list[str]]:
    """The names of each stage's inputs, in studies that together have all parts."""
    study_config["models"]["lark"] = {"hub": "org/lark", "revision": "0" * 40}
    study_config["sources"]["lark"] = {"model": "lark"}
    study_config["mixes"]["third"] = {"origins": {"lark": 1.0}}
    study_config["sources"]["parrot"] = {"url": "https://a.org/b.jsonl", "sha256": "0" * 64}
    study_config["mixes"]["fourth"] = {"origins": {"parrot": 1.0}}
    study_config["mixes"]["best"] = {
        "origins": {"wren": 1.0},
        "select": {"best_of": 2, "verifier": {"by": "likelihood", "model": "finch"}},
    }
    loops = copy.deepcopy(study_config)
    loops["mixes"]["replace"] = {"origins": {"human": 1.0}, "loop": {"generations": 2}}
    robustness = {"requests": ["strongreject"], "attacks": ["gcg"]}
    robustness |= {"judges": {"rubric": {"model": "lark"}}, "human_labels": "people.jsonl"}
    preference = {"cells": True, "judges": {"judge": {"model": "lark"}}}
    study_config["probes"] = {"robustness": robustness, "preference": preference}
    graphs = [Graph(Study(validation.load(raw, "a.yaml"))) for raw in (loops, study_config)]
    names = {job.name: list(graph.inputs(job)) for graph in graphs for job in graph.jobs()}
    probed = ProbedCell("wren", "human", 1, 0, "own")
    stage = STAGES["measure_responses"]
    return names | {stage.name: list(stage.inputs(graphs[0].study, probed))}


def test_every_stage_has_a_rule_and_a_command_of_its_name(docstrings: dict[str, str]) -> None:
    names = [stage.name for stage in ALL]
    assert sorted(docstrings) == sorted(names)
    assert sorted(STEPS) == sorted(names)


def test_docstrings_of_rules_name_their_inputs_and_outputs(
    docstrings: dict[str, str], inputs: dict[str, list[str]]
) -> None:
    expected = {}
    for name, stage in STAGES.items():
        read = f"Reads {', '.join(inputs[name])}. " if inputs[name] else ""
        outputs = stage.outputs.items()
        written = ", ".join(f"{key}/" if output.is_folder else key for key, output in outputs)
        expected[name] = f"{read}Writes {written}."
    assert docstrings == expected
