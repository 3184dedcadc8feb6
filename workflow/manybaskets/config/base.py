"""Types that all sections of a config share.

A section refuses unknown keys and is frozen. In a dictionary of named entries, the value null
removes the entry.
"""

import reprlib
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

HUMAN, VANILLA, MINILM = "human", "vanilla", "minilm"
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _without_nulls(value: Any) -> Any:
    """Removes entries whose value is null, so that a later config can remove an earlier entry."""
    if not isinstance(value, dict):
        return value
    return {name: entry for name, entry in value.items() if entry is not None}


# For dictionaries whose keys are names chosen by the study.
NoNulls = BeforeValidator(_without_nulls)


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxdict, _REPR.maxlist, _REPR.maxlong = 3, 4, 6, 40
_REPR.maxstring, _REPR.maxother = 100, 100


def shown(value: Any) -> str:
    """The beginning of a value for messages, however large it is."""
    return _REPR.repr(value)[:150]


class ConfigError(ValueError):
    """The config is invalid; the message has one line per problem."""


class Section(BaseModel):
    """A section of the config. Unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    def overridden(self, key: str, name: str) -> Self:
        """This section with the values that its dictionary `key` has for `name`.

        Raises ValueError with the path of the first invalid value.
        """
        values = self.model_dump(exclude={key}) | getattr(self, key).get(name, {})
        try:
            return type(self).model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, (key, name, *problem["loc"])))
            raise ValueError(f"{place}: {problem['msg'][:1000]}") from None
