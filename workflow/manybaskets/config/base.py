"""What every section of a config is: unknown keys are refused, null takes an entry away."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

HUMAN, VANILLA, MINILM = "human", "vanilla", "minilm"
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


def _without_nulls(value: Any) -> Any:
    """Entries of null are none: a config on top of another takes an entry away with null."""
    if not isinstance(value, dict):
        return value
    return {name: entry for name, entry in value.items() if entry is not None}


# Sections by the names that a study gives them.
NoNulls = BeforeValidator(_without_nulls)


class ConfigError(ValueError):
    """The study cannot run as it is written; the message has one paragraph per problem."""


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values are not coerced from other types."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
