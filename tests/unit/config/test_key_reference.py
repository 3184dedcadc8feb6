"""The reference page lists every key with type, default and description."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from manybaskets.cli.people import schema
from manybaskets.config import key_reference
from manybaskets.config.base import Section
from manybaskets.config.study import StudyConfig
from manybaskets.simulations.eigenvalues.study import EigenStudy
from manybaskets.simulations.theory import TheoryStudy
from tests.support.paths import ROOT


class Inner(Section):
    """An inner section."""

    size: int = Field(2, ge=1)
    """A size | with a bar."""


class Outer(Section):
    """An outer section."""

    kind: Literal["a", "b"] = "a"
    """A choice."""
    parts: dict[str, Inner] = Field(default_factory=dict)
    """Parts by name."""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """A share."""
    bare: str


def test_the_page_in_the_repository_is_the_one_of_the_models() -> None:
    page = (ROOT / "docs/config.md").read_text(encoding="utf-8")
    assert page == schema.reference_page(), "run `make schema`"


@pytest.mark.parametrize("study", [StudyConfig, TheoryStudy, EigenStudy])
def test_every_key_has_a_description(study: type[BaseModel]) -> None:
    assert key_reference.undocumented(study) == []


def test_a_key_without_description_is_found() -> None:
    assert key_reference.undocumented(Outer) == ["bare"]


def test_a_row_has_type_limits_default_and_description() -> None:
    page = key_reference.page("Keys", "Text.", {"A study": Outer})
    assert '| `kind` | `a` or `b` | `"a"` | A choice. |' in page
    assert "| `share` | number, above 0, below 1 |  | A share. |" in page
    assert "| `bare` | text | required |  |" in page


def test_named_sections_follow_with_their_path() -> None:
    page = key_reference.page("Keys", "Text.", {"A study": Outer})
    table = page.split("### `parts.<name>`")[1]
    assert "| `size` | integer, at least 1 | `2` | A size \\| with a bar. |" in table
