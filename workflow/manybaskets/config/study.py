"""What a study may say. `sections` are the single definition of every config key, its default and
its meaning; here they are one study.

The JSON schema in `workflow/schemas/` is generated from these models. What one key cannot show
(names that do not exist, shares that do not add up) is `validation`'s.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from manybaskets.config.base import NoNulls, Section
from manybaskets.config.dataset import Dataset
from manybaskets.config.mixes import Mix
from manybaskets.config.models import Model, Source
from manybaskets.config.probes import Probes
from manybaskets.config.training import Engine, Generation, Training


class Primary(Section):
    """One metric per probe, named before the run; Holm's correction is over these."""

    collapse: str = "bits_per_byte@test"
    robustness: str = "refusal_rate@decline/direct"
    preference: str = "self_preference_bias@pairs"


class Contrasts(Section):
    """Which conditions are compared over seeds."""

    pairs: list[tuple[str, str]] | None = None
    """Mix and the mix it is held against; by default every mix against `human` and against
    `vanilla`, and every other mix against the first single-source one."""
    primary: Primary = Primary()
    alpha: float = Field(0.05, gt=0, lt=1)
    margins: Annotated[dict[str, Annotated[float, Field(gt=0)]], NoNulls] = {}
    """By `metric@item set`: how large a difference may be and still count as none. Where one is
    given, equivalence is tested too (TOST)."""
    doses: Annotated[dict[str, dict[str, float]], NoNulls] = {}
    """By the name of a series: the dose of each of its mixes (three or more), for trends. Series
    by share of synthetic text and by number of sources are found without being declared."""


class Reference(Section):
    """Published numbers that the findings are compared with. A name stands for `{table: name}`."""

    table: str
    """Name of a table under `resources/reference/`, or the path of a file like those."""
    targets: dict[str, str] = {}
    """By target of the study: what the table calls it, where that is otherwise."""
    mixes: dict[str, str] = {}
    """By mix of the study: what the table calls it, where that is otherwise."""


class StudyConfig(Section):
    """One study: one config file, all results under `results/<study>/`."""

    study: str
    """Name of the study and of its results folder."""
    question: str = ""
    """The question in a sentence; opens the report."""
    seeds: list[int] = Field(min_length=1)
    """Replications. A seed drives the data draw, the sampling and the training."""
    dataset: Dataset
    models: Annotated[dict[str, Model], NoNulls]
    sources: Annotated[dict[str, Source], NoNulls] = {}
    targets: list[str] = Field(min_length=1)
    """Models that are fine-tuned; names under `models`."""
    mixes: Annotated[dict[str, Mix], NoNulls]
    rows: int | None = Field(None, ge=1)
    """Rows of every mix; by default all training prompts."""
    match: Literal["rows", "tokens"] = "rows"
    """What is equal over the mixes: rows, or training tokens (of the target's tokenizer)."""
    tokens: int | None = Field(None, ge=1)
    """Response tokens of every mix, with `match: tokens`."""
    generation: Generation = Generation()
    training: Training = Training()
    engine: Engine = Engine()
    probes: Probes = Probes()
    contrasts: Contrasts = Contrasts()
    reference: Reference | None = None
    """Published numbers that the findings are compared with, effect by effect."""

    @field_validator("reference", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"table": value} if isinstance(value, str) else value


def schema() -> dict[str, Any]:
    """The JSON schema that editors complete from."""
    found = StudyConfig.model_json_schema()
    sections = found["$defs"]  # what is read as a section may be written as one word
    sections["Mix"]["properties"]["select"]["anyOf"].append({"const": "all"})
    named = {"type": "string"}
    verifier = sections["Select"]["properties"]["verifier"]
    sections["Select"]["properties"]["verifier"] = {"anyOf": [verifier, named]}
    found["properties"]["reference"]["anyOf"].append({"type": "string"})
    for section in (found, *sections.values()):
        for key in section.get("properties", {}).values():
            entries = key.get("additionalProperties")
            if isinstance(entries, dict):  # null takes away what a config below has
                key["additionalProperties"] = {"anyOf": [entries, {"type": "null"}]}
    return found
