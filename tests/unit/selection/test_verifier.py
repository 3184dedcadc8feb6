"""The interface of verifiers: usable rows, scores that are missing, and the spec of a job."""

import math
import subprocess
import sys

import pytest

from manybaskets import plugins
from manybaskets.config.mixes import Verifier as Settings
from manybaskets.selection import verifiers
from manybaskets.selection.verifier import scored
from tests.support.pool_rows import job, row

NAMES = plugins.names("selection.verifiers")
REFERRED = {"": {}, "model": {"model": "wren"}, "source": {"source": "wren"}}


def settings(name: str) -> Settings:
    return Settings.model_validate({"by": name, **REFERRED[verifiers.verifier(name).needs]})


def test_unusable_responses_and_scores_that_are_not_finite_have_none() -> None:
    values = iter([1.0, math.nan, math.inf])
    rows = scored([row(1), row(2), row(3), row(4, "", "empty")], lambda _: (next(values), ""))
    assert [r["score"] for r in rows] == [1.0, None, None, None]
    assert [r["reason"] for r in rows] == ["", "the score is nan", "the score is inf", "why not"]


def test_a_job_names_its_usable_rows() -> None:
    assert job([row(1), row(2, "", "failed")]).usable == [row(1)]


@pytest.mark.parametrize("name", NAMES)
def test_every_verifier_has_words_and_describes_the_settings_it_uses(name: str) -> None:
    verifier = verifiers.verifier(name)
    assert verifier.words(settings(name))
    described = verifier.described(settings(name))
    assert described.pop("by") == name
    assert set(described) == set(verifier.settings)
    assert set(verifier.files) <= set(verifier.settings)


def test_an_unknown_verifier_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"'no' is not a verifier\. Known: classifier, .*reference"
    ):
        Settings.model_validate({"by": "no"})


def test_options_are_those_that_the_verifier_declares() -> None:
    with pytest.raises(ValueError, match=r"'length' has no option 'unit'\. Known: none"):
        Settings.model_validate({"by": "length", "options": {"unit": "words"}})


def test_a_plan_imports_verifiers_without_torch() -> None:
    code = (
        "import sys; from manybaskets import plugins; plugins.modules('selection.verifiers');"
        "print(sorted({'torch', 'transformers', 'vllm'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
