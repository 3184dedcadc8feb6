"""The help of commands."""

import argparse
import importlib

import pytest

from manybaskets.cli.arguments import describe_paths
from manybaskets.cli.main import STEPS


def parser_of(step: str) -> argparse.ArgumentParser:
    module = importlib.import_module(f"manybaskets.cli.steps.{step}")
    parser = argparse.ArgumentParser(step)
    module.arguments(parser)
    describe_paths(parser)
    return parser


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_option_of_a_step_has_a_help(step: str) -> None:
    assert [action.dest for action in parser_of(step)._actions if not action.help] == []


def test_the_help_of_a_step_describes_its_spec() -> None:
    text = parser_of("judge_harm").format_help()
    assert "source (HarmJudgeSpec)" in text
    assert "base (Base | None, optional)\n      A base model: its name" in text
    assert "engine (EngineSpec)\n      Engine settings" in text
    assert "--attacks PATH" in text
    assert "responses to requests and attacks" in text
