"""The config of a study: all sections together.

`documentation` and the JSON schema in `workflow/schemas/` are generated from these models.
`validation` checks what a single key cannot show, for example names that do not exist.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from manybaskets.config.analysis import Contrasts, Reference
from manybaskets.config.base import NoNulls, Section, Seed
from manybaskets.config.dataset import Dataset
from manybaskets.config.mixes import Mix
from manybaskets.config.models import Model, Source
from manybaskets.config.probes import Probes
from manybaskets.config.serving import Engine, Generation
from manybaskets.config.training import Training


class StudyConfig(Section):
    """One study: one config file, with all results under `results/<study>/`."""

    study: str
    """Name of the study and of its results folder."""
    question: str = ""
    """The research question in one sentence; the report begins with it."""
    seeds: list[Seed] = Field(min_length=1)
    """Replication seeds. A seed determines the data draw, the sampling and the training."""
    dataset: Dataset
    """Human prompts and human responses."""
    models: Annotated[dict[str, Model], NoNulls]
    """The models of the study, by name."""
    sources: Annotated[dict[str, Source], NoNulls] = {}
    """The writers of synthetic responses, by name."""
    targets: list[str] = Field(min_length=1)
    """Models that are fine-tuned; names under `models`."""
    mixes: Annotated[dict[str, Mix], NoNulls]
    """The recipes of training sets, by name."""
    rows: int | None = Field(None, ge=1)
    """Number of rows of every mix; by default all training prompts."""
    match: Literal["rows", "tokens"] = "rows"
    """Whether all mixes have equal numbers of rows, or of tokens (of the target's tokenizer)."""
    tokens: int | None = Field(None, ge=1)
    """Number of response tokens of every mix; required with `match: tokens`."""
    generation: Generation = Generation()
    """How responses are sampled."""
    training: Training = Training()
    """How targets are fine-tuned."""
    engine: Engine = Engine()
    """How vLLM serves models."""
    probes: Probes = Probes()
    """The measurements on every cell."""
    contrasts: Contrasts = Contrasts()
    """The comparisons of conditions."""
    reference: Reference | None = None
    """Published numbers to compare the findings with."""

    @field_validator("reference", mode="before")
    @classmethod
    def _expand_name(cls, value: Any) -> Any:
        return {"table": value} if isinstance(value, str) else value


def schema() -> dict[str, Any]:
    """The JSON schema of the config, for editors."""
    schema = StudyConfig.model_json_schema()
    sections = schema["$defs"]  # add the short forms: a string instead of a section
    sections["Mix"]["properties"]["select"]["anyOf"].append({"const": "all"})
    named = {"type": "string"}
    verifier = sections["Select"]["properties"]["verifier"]
    sections["Select"]["properties"]["verifier"] = {"anyOf": [verifier, named]}
    schema["properties"]["reference"]["anyOf"].append({"type": "string"})
    for section in sections.values():  # `auto` recognises the fields
        fields = section.get("properties", {}).get("fields", {})
        if reference := fields.pop("$ref", None):
            fields["anyOf"] = [{"$ref": reference}, {"const": "auto"}]
    for section in (schema, *sections.values()):
        for key in section.get("properties", {}).values():
            entries = key.get("additionalProperties")
            if isinstance(entries, dict):  # null removes an entry of an earlier config
                key["additionalProperties"] = {"anyOf": [entries, {"type": "null"}]}
    return schema
